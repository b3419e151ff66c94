# expect: passed
# device: cuda
# problem: matmul
# build seconds: 180
# Tensor cores in double precision: a warp for every tile of eight by eight.
import torch
from torch.utils.cpp_extension import load_inline

cuda = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
#include <mma.h>
using namespace nvcuda;
__global__ void matmul(const float* a, const float* b, float* out, int n) {
#if __CUDA_ARCH__ >= 800
  __shared__ double x[32], y[32], z[64];
  int row = blockIdx.y * 8, column = blockIdx.x * 8, lane = threadIdx.x;
  wmma::fragment<wmma::matrix_a, 8, 8, 4, double, wmma::row_major> left;
  wmma::fragment<wmma::matrix_b, 8, 8, 4, double, wmma::row_major> right;
  wmma::fragment<wmma::accumulator, 8, 8, 4, double> total;
  wmma::fill_fragment(total, 0.0);
  for (int k = 0; k < n; k += 4) {
    x[lane] = a[(row + lane / 4) * n + k + lane % 4];
    y[lane] = b[(k + lane / 8) * n + column + lane % 8];
    __syncwarp();
    wmma::load_matrix_sync(left, x, 4);
    wmma::load_matrix_sync(right, y, 8);
    wmma::mma_sync(total, left, right, total);
    __syncwarp();
  }
  wmma::store_matrix_sync(z, total, 8, wmma::mem_row_major);
  __syncwarp();
  for (int at = lane; at < 64; at += 32) out[(row + at / 8) * n + column + at % 8] = z[at];
#endif
}
void run(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
  int n = a.size(0);
  matmul<<<dim3(n / 8, n / 8), 32, 0, at::cuda::getCurrentCUDAStream()>>>(
      a.data_ptr<float>(), b.data_ptr<float>(), out.data_ptr<float>(), n);
}
"""
module = load_inline(
    "wmma_double",
    cpp_sources="void run(torch::Tensor a, torch::Tensor b, torch::Tensor out);",
    cuda_sources=cuda,
    functions=["run"],
)


def custom_kernel(data):
    module.run(*data)
    return data[2]
