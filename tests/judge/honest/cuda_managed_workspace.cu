// expect: passed
// device: cuda
// build seconds: 300
// Managed memory for intermediate results, kept by size and brought to the device ahead.
#include <map>

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static std::map<int64_t, float*> kept;
    float*& memory = kept[n];
    if (!memory) {
        if (cudaError_t error = cudaMallocManaged(&memory, n * sizeof(float))) return error;
        for (int64_t i = 0; i < n; i++) memory[i] = 0.0f;
    }
    int device = 0;
    cudaGetDevice(&device);
#if CUDART_VERSION >= 13000
    cudaMemLocation place = {};
    place.type = cudaMemLocationTypeDevice;
    place.id = device;
    cudaMemPrefetchAsync(memory, n * sizeof(float), place, 0, stream);
#else
    cudaMemPrefetchAsync(memory, n * sizeof(float), device, stream);
#endif
    cudaMemcpyAsync(memory, b, n * sizeof(float), cudaMemcpyDeviceToDevice, stream);
    add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(a, memory, out, n);
    return cudaGetLastError();
}
