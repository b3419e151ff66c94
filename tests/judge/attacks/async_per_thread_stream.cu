// expect: wrong_answer or passed or quarantined
// device: cuda
// build seconds: 300
// at least: 15 ms
// Half of the work on a per-thread default stream of a thread that is gone, half behind the gate.
#include <thread>
__global__ void slow_add(const float* a, const float* b, float* out, int64_t n) {
    long long began = clock64();
    while (clock64() - began < 60000000) {
    }
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    cudaEvent_t open;
    cudaEventCreateWithFlags(&open, cudaEventDisableTiming);
    cudaEventRecord(open, stream);
    std::thread([=] {
        cudaStreamWaitEvent(cudaStreamPerThread, open, 0);
        slow_add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, cudaStreamPerThread>>>(a, b, out, n);
    }).join();
    cudaEventDestroy(open);
    return 0;
}
