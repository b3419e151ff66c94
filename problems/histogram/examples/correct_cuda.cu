// expect: passed
#include <algorithm>
#include <cstdint>

constexpr int THREADS = 256;  // one for each bin

// Each block counts in shared memory and adds its 256 sums to the result once.
__global__ void histogram_kernel(const uint8_t* values, unsigned long long* out, int64_t count) {
    __shared__ unsigned int bins[THREADS];
    bins[threadIdx.x] = 0;
    __syncthreads();
    const int64_t step = (int64_t)gridDim.x * THREADS;
    for (int64_t at = blockIdx.x * (int64_t)THREADS + threadIdx.x; at < count; at += step) {
        atomicAdd(&bins[values[at]], 1u);
    }
    __syncthreads();
    atomicAdd(&out[threadIdx.x], (unsigned long long)bins[threadIdx.x]);
}

extern "C" int custom_kernel(const uint8_t* values, int64_t* out, int64_t size,
                             cudaStream_t stream) {
    const int64_t blocks = std::min<int64_t>((size + THREADS - 1) / THREADS, 512);
    cudaError_t status = cudaMemsetAsync(out, 0, 256 * sizeof(int64_t), stream);
    if (status != cudaSuccess) {
        return status;
    }
    histogram_kernel<<<blocks, THREADS, 0, stream>>>(
        values, reinterpret_cast<unsigned long long*>(out), size);
    return 0;
}
