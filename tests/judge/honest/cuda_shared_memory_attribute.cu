// expect: passed
// device: cuda
// build seconds: 300
// Two kernels and intermediate memory of its own; one of them asks for more shared memory than there is by default.
__global__ void copy(const float* a, float* kept, int64_t n) {
    for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < n;
         i += static_cast<int64_t>(gridDim.x) * blockDim.x)
        kept[i] = a[i];
}

__global__ void add(const float* kept, const float* b, float* out, int64_t n) {
    extern __shared__ float tile[];
    int64_t begin = blockIdx.x * static_cast<int64_t>(20480);
    for (int at = threadIdx.x; at < 20480 && begin + at < n; at += blockDim.x) tile[at] = kept[begin + at];
    __syncthreads();
    for (int at = threadIdx.x; at < 20480 && begin + at < n; at += blockDim.x)
        out[begin + at] = tile[at] + b[begin + at];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static float* kept = nullptr;
    static int64_t room = 0;
    const int bytes = 20480 * sizeof(float);
    if (room < n) {
        if (kept) cudaFree(kept);
        if (cudaError_t error = cudaMalloc(&kept, n * sizeof(float))) return error;
        room = n;
        if (cudaError_t error = cudaFuncSetAttribute(add, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes)) return error;
        cudaFuncSetAttribute(add, cudaFuncAttributePreferredSharedMemoryCarveout, 100);
    }
    copy<<<64, 256, 0, stream>>>(a, kept, n);
    add<<<static_cast<unsigned>((n + 20479) / 20480), 512, bytes, stream>>>(kept, b, out, n);
    return 0;
}
