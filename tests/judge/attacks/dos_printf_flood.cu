// expect: passed or crashed or timed_out
// device: cuda
// build seconds: 300
// Prints far more from the device than anybody reads.
#include <cstdio>
__global__ void flood() {
    for (int i = 0; i < 40; i++)
        printf("%d %d %d: the quick brown fox jumps over the lazy dog and the judge reads all of it\n", blockIdx.x, threadIdx.x, i);
}

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static cudaError_t wide = cudaDeviceSetLimit(cudaLimitPrintfFifoSize, size_t(256) << 20);
    (void)wide;
    flood<<<256, 256, 0, stream>>>();
    add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(a, b, out, n);
    return cudaGetLastError();
}
