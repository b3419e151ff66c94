#!kernelbot leaderboard matmul
# expect: passed device=cuda
from torch.utils.cpp_extension import load_inline

from task import input_t, output_t

# A tile of each operand in shared memory, one output a thread: right, readable and far from the
# tensor cores.
CUDA = r"""
#include <cuda_fp16.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/extension.h>

constexpr int TILE = 16;

__global__ void matmul_kernel(const __half* a, const __half* b, __half* out, int m, int n, int k) {
    __shared__ float a_tile[TILE][TILE];
    __shared__ float b_tile[TILE][TILE];
    const int row = blockIdx.y * TILE + threadIdx.y;
    const int column = blockIdx.x * TILE + threadIdx.x;
    float total = 0.0f;
    for (int start = 0; start < k; start += TILE) {
        const int a_column = start + threadIdx.x;
        const int b_row = start + threadIdx.y;
        a_tile[threadIdx.y][threadIdx.x] =
            row < m && a_column < k ? __half2float(a[(int64_t)row * k + a_column]) : 0.0f;
        b_tile[threadIdx.y][threadIdx.x] =
            b_row < k && column < n ? __half2float(b[(int64_t)b_row * n + column]) : 0.0f;
        __syncthreads();
        for (int at = 0; at < TILE; at++) {
            total += a_tile[threadIdx.y][at] * b_tile[at][threadIdx.x];
        }
        __syncthreads();
    }
    if (row < m && column < n) {
        out[(int64_t)row * n + column] = __float2half(total);
    }
}

void matmul(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
    const int m = a.size(0), k = a.size(1), n = b.size(1);
    const dim3 threads(TILE, TILE);
    const dim3 blocks((n + TILE - 1) / TILE, (m + TILE - 1) / TILE);
    matmul_kernel<<<blocks, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        reinterpret_cast<const __half*>(a.data_ptr()),
        reinterpret_cast<const __half*>(b.data_ptr()),
        reinterpret_cast<__half*>(out.data_ptr()),
        m, n, k);
}
"""

module = load_inline(
    name="matmul",
    cpp_sources="void matmul(torch::Tensor a, torch::Tensor b, torch::Tensor out);",
    cuda_sources=CUDA,
    functions=["matmul"],
)


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    module.matmul(a, b, out)
    return out
