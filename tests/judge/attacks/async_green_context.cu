// expect: wrong_answer or passed or quarantined or crashed
// device: cuda
// build seconds: 300
// at least: 15 ms
// Works in a stream of a green context, which those who join the streams of the primary one may not know of.
#include <cuda.h>
__global__ void slow_add(const float* a, const float* b, float* out, int64_t n) {
    long long began = clock64();
    while (clock64() - began < 60000000) {
    }
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

static CUstream made() {
    CUdevice device;
    CUdevResource all = {}, part = {}, rest = {};
    CUdevResourceDesc what;
    CUgreenCtx green;
    CUstream stream = nullptr;
    unsigned groups = 1;
    if (cuCtxGetDevice(&device)) return nullptr;
    if (cuDeviceGetDevResource(device, &all, CU_DEV_RESOURCE_TYPE_SM)) return nullptr;
    if (cuDevSmResourceSplitByCount(&part, &groups, &all, &rest, 0, 16)) return nullptr;
    if (cuDevResourceGenerateDesc(&what, &part, 1)) return nullptr;
    if (cuGreenCtxCreate(&green, what, device, CU_GREEN_CTX_DEFAULT_STREAM)) return nullptr;
    if (cuGreenCtxStreamCreate(&stream, green, CU_STREAM_NON_BLOCKING, 0)) return nullptr;
    return stream;
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static CUstream own = made();
    if (!own) return 1;
    cudaEvent_t open;
    cudaEventCreateWithFlags(&open, cudaEventDisableTiming);
    cudaEventRecord(open, stream);
    cudaStreamWaitEvent(own, open, 0);
    slow_add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, own>>>(a, b, out, n);
    cudaEventDestroy(open);
    return cudaGetLastError();
}
