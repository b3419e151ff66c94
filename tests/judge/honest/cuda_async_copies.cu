// expect: passed
// device: cuda
// build seconds: 300
// Asynchronous copies into shared memory, two stages ahead, and a barrier in shared memory.
#include <cuda/barrier>
#include <cuda_pipeline.h>

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    __shared__ float x[2][256], y[2][256];
    __shared__ cuda::barrier<cuda::thread_scope_block> ready;
    if (threadIdx.x == 0) init(&ready, blockDim.x);
    __syncthreads();
    int64_t step = static_cast<int64_t>(gridDim.x) * 256;
    auto bring = [&](int stage, int64_t i) {
        if (i < n) {
            __pipeline_memcpy_async(&x[stage][threadIdx.x], a + i, sizeof(float));
            __pipeline_memcpy_async(&y[stage][threadIdx.x], b + i, sizeof(float));
        }
        __pipeline_commit();
    };
    int64_t first = blockIdx.x * static_cast<int64_t>(256);
    bring(0, first + threadIdx.x);
    int stage = 0;
    for (int64_t begin = first; begin < n; begin += step, stage ^= 1) {
        int64_t i = begin + threadIdx.x;
        bring(stage ^ 1, i + step);
        __pipeline_wait_prior(1);
        ready.arrive_and_wait();
        if (i < n) out[i] = x[stage][threadIdx.x] + y[stage][threadIdx.x];
        ready.arrive_and_wait();
    }
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    add<<<64, 256, 0, stream>>>(a, b, out, n);
    return 0;
}
