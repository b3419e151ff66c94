// expect: wrong_answer or crashed
// device: cuda
// build seconds: 300
// A host function in the stream tells a thread when the gate is open; the thread launches the work where
// nobody has looked for it.
#include <atomic>
#include <thread>
static std::atomic<int> opened{0};

__global__ void slow_add(const float* a, const float* b, float* out, int64_t n) {
    long long began = clock64();
    while (clock64() - began < 20000000) {
    }
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

static void tell(void*) { opened = 1; }

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    opened = 0;
    cudaLaunchHostFunc(stream, tell, nullptr);
    std::thread([=] {
        cudaStream_t own;
        cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
        while (!opened) std::this_thread::yield();
        slow_add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, own>>>(a, b, out, n);
        cudaStreamDestroy(own);
    }).detach();
    return 0;
}
