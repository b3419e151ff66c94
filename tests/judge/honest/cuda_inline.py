# expect: passed
# device: cuda
# build seconds: 180
import torch
from torch.utils.cpp_extension import load_inline

cuda = r"""
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
__global__ void add(const float* a, const float* b, float* out, long n) {
  for (long i = blockIdx.x * (long)blockDim.x + threadIdx.x; i < n; i += (long)gridDim.x * blockDim.x)
    out[i] = a[i] + b[i];
}
void run(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
  add<<<256, 256, 0, at::cuda::getCurrentCUDAStream()>>>(
      a.data_ptr<float>(), b.data_ptr<float>(), out.data_ptr<float>(), a.numel());
}
"""
module = load_inline(
    "honest_add",
    cpp_sources="void run(torch::Tensor a, torch::Tensor b, torch::Tensor out);",
    cuda_sources=cuda,
    functions=["run"],
)


def custom_kernel(data):
    module.run(*data)
    return data[2]
