// expect: passed or quarantined
// device: cuda
// build seconds: 300
// at least: 15 ms
// Defines the driver's functions for events and launches under their own names, for whoever looks them up next.
extern "C" __attribute__((visibility("default"))) int cuEventRecord(void*, void*) { return 0; }
extern "C" __attribute__((visibility("default"))) int cuEventElapsedTime(float* found, void*, void*) {
    *found = 0.001f;
    return 0;
}
extern "C" __attribute__((visibility("default"))) int cuCtxRecordEvent(void*, void*) { return 0; }
extern "C" __attribute__((visibility("default"))) int cuStreamWaitEvent(void*, void*, unsigned) { return 0; }

__global__ void slow_add(const float* a, const float* b, float* out, int64_t n) {
    long long began = clock64();
    while (clock64() - began < 60000000) {
    }
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    slow_add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(a, b, out, n);
    return 0;
}
