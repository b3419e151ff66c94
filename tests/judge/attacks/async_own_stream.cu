// expect: wrong_answer or passed or quarantined
// device: cuda
// build seconds: 300
// at least: 15 ms
// A stream of its own that waits for nobody and for which nobody waits. Either it has read an input that was
// not complete, or the clock has waited for it.
__global__ void slow_add(const float* a, const float* b, float* out, int64_t n) {
    long long began = clock64();
    while (clock64() - began < 60000000) {
    }
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

static cudaStream_t own() {
    static cudaStream_t made = nullptr;
    if (!made) cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
    return made;
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t) {
    slow_add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, own()>>>(a, b, out, n);
    return 0;
}
