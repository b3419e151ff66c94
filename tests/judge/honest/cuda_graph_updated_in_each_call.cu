// expect: passed
// device: cuda
// build seconds: 300
// Recorded anew in every call, the graph in hand updated by it and launched.

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static cudaStream_t own = nullptr;
    static cudaGraphExec_t made = nullptr;
    if (!own) cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
    cudaGraph_t graph;
    if (cudaError_t error = cudaStreamBeginCapture(own, cudaStreamCaptureModeThreadLocal)) return error;
    cudaMemcpyAsync(out, a, n * sizeof(float), cudaMemcpyDeviceToDevice, own);
    add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, own>>>(out, b, out, n);
    if (cudaError_t error = cudaStreamEndCapture(own, &graph)) return error;
    cudaGraphExecUpdateResultInfo told;
    if (!made || cudaGraphExecUpdate(made, graph, &told)) {
        cudaGetLastError();
        if (cudaError_t error = cudaGraphInstantiate(&made, graph, 0)) return error;
    }
    cudaGraphDestroy(graph);
    return cudaGraphLaunch(made, stream);
}
