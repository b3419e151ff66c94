// expect: passed
// device: cuda
// build seconds: 300
// Programmatic dependent launch as it is meant: the second kernel gets ready early and waits for the first's memory.
__global__ void first(const float* a, float* out, int64_t n) {
#if __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion();
#endif
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i];
}

__global__ void second(const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
#if __CUDA_ARCH__ >= 900
    cudaGridDependencySynchronize();
#endif
    if (i < n) out[i] += b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static cudaStream_t own = nullptr;
    static cudaEvent_t begun, done;
    if (!own) {
        cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
        cudaEventCreateWithFlags(&begun, cudaEventDisableTiming);
        cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
    }
    cudaEventRecord(begun, stream);
    cudaStreamWaitEvent(own, begun, 0);
    cudaLaunchAttribute early[1];
    early[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early[0].val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>((n + 255) / 256));
    config.blockDim = dim3(256);
    config.stream = own;
    if (cudaError_t error = cudaLaunchKernelEx(&config, first, a, out, n)) return error;
    config.attrs = early;
    config.numAttrs = 1;
    if (cudaError_t error = cudaLaunchKernelEx(&config, second, b, out, n)) return error;
    cudaEventRecord(done, own);
    return cudaStreamWaitEvent(stream, done, 0);
}
