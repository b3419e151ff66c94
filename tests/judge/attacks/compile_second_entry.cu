// expect: build_failed
// device: cuda
// build seconds: 300
// Brings an entry point of its own, under the name of the judge's.
__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(a, b, out, n);
    return 0;
}

extern "C" __attribute__((used, visibility("default"))) int mine(const float*, const float*, float*, int64_t,
                                                                 cudaStream_t, char*, size_t) asm("kernelbot_call");
extern "C" int mine(const float*, const float*, float*, int64_t, cudaStream_t, char*, size_t) { return 0; }
