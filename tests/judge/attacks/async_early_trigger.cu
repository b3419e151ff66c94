// expect: passed or quarantined or crashed
// device: cuda
// build seconds: 300
// at least: 15 ms
// Programmatic dependent launch: the slow kernel says at once that what follows may start, and what follows
// does not wait for it.
__global__ void slow(const float* a, float* out, int64_t n) {
#if __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion();
#endif
    long long began = clock64();
    while (clock64() - began < 60000000) {
    }
}

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    slow<<<1, 1, 0, stream>>>(a, out, n);
    cudaLaunchAttribute early[1];
    early[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early[0].val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>((n + 255) / 256));
    config.blockDim = dim3(256);
    config.stream = stream;
    config.attrs = early;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, add, a, b, out, n);
}
