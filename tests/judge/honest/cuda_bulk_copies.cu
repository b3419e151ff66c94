// expect: passed
// device: cuda
// build seconds: 300
// Bulk copies into shared memory and back, with a barrier that counts bytes, in inline PTX; the tail as usual.
constexpr int BLOCK = 512;
__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    __shared__ alignas(128) float x[BLOCK], y[BLOCK];
    __shared__ alignas(8) uint64_t barrier;
    int64_t first = blockIdx.x * static_cast<int64_t>(BLOCK);
    if (first + BLOCK > n) {
        for (int64_t i = first + threadIdx.x; i < n; i += blockDim.x) out[i] = a[i] + b[i];
        return;
    }
    unsigned bar = static_cast<unsigned>(__cvta_generic_to_shared(&barrier));
    unsigned sx = static_cast<unsigned>(__cvta_generic_to_shared(x)), sy = static_cast<unsigned>(__cvta_generic_to_shared(y));
    constexpr unsigned bytes = BLOCK * sizeof(float);
    if (threadIdx.x == 0) {
        asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(bar) : "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(bar), "r"(2 * bytes) : "memory");
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                     ::"r"(sx), "l"(a + first), "r"(bytes), "r"(bar) : "memory");
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                     ::"r"(sy), "l"(b + first), "r"(bytes), "r"(bar) : "memory");
    }
    __syncthreads();
    unsigned done = 0;
    while (!done)
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
                     : "=r"(done) : "r"(bar) : "memory");
    for (int i = threadIdx.x; i < BLOCK; i += blockDim.x) x[i] += y[i];
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    if (threadIdx.x == 0) {
        asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(out + first), "r"(sx), "r"(bytes) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
    }
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    add<<<static_cast<unsigned>((n + BLOCK - 1) / BLOCK), 128, 0, stream>>>(a, b, out, n);
    return cudaGetLastError();
}
