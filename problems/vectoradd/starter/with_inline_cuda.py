#!kernelbot leaderboard vectoradd
# expect: passed device=cuda
from torch.utils.cpp_extension import load_inline

from task import input_t, output_t

CUDA = r"""
#include <cuda_fp16.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/extension.h>

__global__ void add_kernel(const __half* a, const __half* b, __half* out, int64_t count) {
    int64_t at = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (at < count) {
        out[at] = __hadd(a[at], b[at]);
    }
}

void add(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
    const int threads = 256;
    const int64_t count = out.numel();
    const int64_t blocks = (count + threads - 1) / threads;
    add_kernel<<<blocks, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        reinterpret_cast<const __half*>(a.data_ptr()),
        reinterpret_cast<const __half*>(b.data_ptr()),
        reinterpret_cast<__half*>(out.data_ptr()),
        count);
}
"""

module = load_inline(
    name="vectoradd",
    cpp_sources="void add(torch::Tensor a, torch::Tensor b, torch::Tensor out);",
    cuda_sources=CUDA,
    functions=["add"],
)


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    module.add(a, b, out)
    return out
