// expect: passed
// device: cuda
// build seconds: 300
// A host function in the stream tells when a copy has arrived; the call waits for it before it goes on.
#include <atomic>
#include <thread>
static std::atomic<int> arrived{0};

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    arrived = 0;
    cudaMemcpyAsync(out, a, n * sizeof(float), cudaMemcpyDeviceToDevice, stream);
    cudaLaunchHostFunc(stream, [](void*) { arrived = 1; }, nullptr);
    while (!arrived) std::this_thread::yield();
    add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(out, b, out, n);
    return cudaGetLastError();
}
