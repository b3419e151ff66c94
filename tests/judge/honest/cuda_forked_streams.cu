// expect: passed
// device: cuda
// build seconds: 300
// Forks into streams of its own and joins them again by events, as libraries do.
__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

struct Fork {
    cudaStream_t streams[4];
    cudaEvent_t begun, done[4];
    Fork() {
        int low = 0, high = 0;
        cudaDeviceGetStreamPriorityRange(&low, &high);
        cudaEventCreateWithFlags(&begun, cudaEventDisableTiming);
        for (int at = 0; at < 4; at++) {
            cudaStreamCreateWithPriority(&streams[at], cudaStreamNonBlocking, at % 2 ? low : high);
            cudaEventCreateWithFlags(&done[at], cudaEventDisableTiming);
        }
    }
};

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static Fork fork;
    cudaEventRecord(fork.begun, stream);
    int64_t part = (n + 3) / 4;
    for (int at = 0; at < 4; at++) {
        int64_t begin = at * part, count = n - begin < part ? n - begin : part;
        if (count <= 0) break;
        cudaStreamWaitEvent(fork.streams[at], fork.begun, 0);
        add<<<static_cast<unsigned>((count + 255) / 256), 256, 0, fork.streams[at]>>>(a + begin, b + begin, out + begin, count);
        cudaEventRecord(fork.done[at], fork.streams[at]);
        cudaStreamWaitEvent(stream, fork.done[at], 0);
    }
    return 0;
}
