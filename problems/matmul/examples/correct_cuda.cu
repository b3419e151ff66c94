// expect: passed
#include <cstdint>
#include <cuda_fp16.h>

// A tile of each operand in shared memory, one output a thread: right, readable and far from the
// tensor cores.
constexpr int TILE = 16;

__global__ void matmul_kernel(const __half* a, const __half* b, __half* out, int64_t m, int64_t n,
                              int64_t k) {
    __shared__ float a_tile[TILE][TILE];
    __shared__ float b_tile[TILE][TILE];
    const int64_t row = blockIdx.y * TILE + threadIdx.y;
    const int64_t column = blockIdx.x * TILE + threadIdx.x;
    float total = 0.0f;
    for (int64_t start = 0; start < k; start += TILE) {
        const int64_t a_column = start + threadIdx.x;
        const int64_t b_row = start + threadIdx.y;
        a_tile[threadIdx.y][threadIdx.x] =
            row < m && a_column < k ? __half2float(a[row * k + a_column]) : 0.0f;
        b_tile[threadIdx.y][threadIdx.x] =
            b_row < k && column < n ? __half2float(b[b_row * n + column]) : 0.0f;
        __syncthreads();
        for (int at = 0; at < TILE; at++) {
            total += a_tile[threadIdx.y][at] * b_tile[at][threadIdx.x];
        }
        __syncthreads();
    }
    if (row < m && column < n) {
        out[row * n + column] = __float2half(total);
    }
}

extern "C" int custom_kernel(const __half* a, const __half* b, __half* out, int64_t m, int64_t n,
                             int64_t k, cudaStream_t stream) {
    const dim3 threads(TILE, TILE);
    const dim3 blocks((n + TILE - 1) / TILE, (m + TILE - 1) / TILE);
    matmul_kernel<<<blocks, threads, 0, stream>>>(a, b, out, m, n, k);
    return 0;
}
