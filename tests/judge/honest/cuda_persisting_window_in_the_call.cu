// expect: passed
// device: cuda
// build seconds: 300
// A part of the cache is set aside for an intermediate result, within the call, on a stream of its own that is joined.

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static cudaStream_t own = nullptr;
    static cudaEvent_t begun, done;
    if (!own) {
        cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
        cudaEventCreateWithFlags(&begun, cudaEventDisableTiming);
        cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
        cudaDeviceSetLimit(cudaLimitPersistingL2CacheSize, size_t(4) << 20);
    }
    float* kept = nullptr;
    cudaEventRecord(begun, stream);
    cudaStreamWaitEvent(own, begun, 0);
    if (cudaError_t error = cudaMallocAsync(&kept, n * sizeof(float), own)) return error;
    cudaStreamAttrValue window = {};
    window.accessPolicyWindow.base_ptr = kept;
    window.accessPolicyWindow.num_bytes = n * sizeof(float) < (size_t(4) << 20) ? n * sizeof(float) : size_t(4) << 20;
    window.accessPolicyWindow.hitRatio = 1.0f;
    window.accessPolicyWindow.hitProp = cudaAccessPropertyPersisting;
    window.accessPolicyWindow.missProp = cudaAccessPropertyStreaming;
    cudaStreamSetAttribute(own, cudaStreamAttributeAccessPolicyWindow, &window);
    cudaMemcpyAsync(kept, a, n * sizeof(float), cudaMemcpyDeviceToDevice, own);
    add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, own>>>(kept, b, out, n);
    window.accessPolicyWindow.num_bytes = 0;
    cudaStreamSetAttribute(own, cudaStreamAttributeAccessPolicyWindow, &window);
    cudaFreeAsync(kept, own);
    cudaEventRecord(done, own);
    cudaStreamWaitEvent(stream, done, 0);
    return cudaGetLastError();
}
