// expect: passed
// device: cuda
// build seconds: 300
// Memory in stream order, from a pool that keeps it.
__global__ void scale(const float* a, float* kept, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) kept[i] = a[i];
}

__global__ void add(const float* kept, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = kept[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static bool known = false;
    if (!known) {
        cudaMemPool_t pool;
        int device = 0;
        cudaGetDevice(&device);
        if (cudaError_t error = cudaDeviceGetDefaultMemPool(&pool, device)) return error;
        uint64_t all = UINT64_MAX;
        cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all);
        known = true;
    }
    float* kept = nullptr;
    if (cudaError_t error = cudaMallocAsync(&kept, n * sizeof(float), stream)) return error;
    unsigned blocks = static_cast<unsigned>((n + 255) / 256);
    scale<<<blocks, 256, 0, stream>>>(a, kept, n);
    add<<<blocks, 256, 0, stream>>>(kept, b, out, n);
    return cudaFreeAsync(kept, stream);
}
