#!kernelbot leaderboard histogram
# expect: passed device=cuda
from torch.utils.cpp_extension import load_inline

from task import input_t, output_t

CUDA = r"""
#include <c10/cuda/CUDAStream.h>
#include <torch/extension.h>

// Each block counts in shared memory and adds its 256 sums to the result once.
__global__ void histogram_kernel(const uint8_t* values, unsigned long long* out, int64_t count) {
    __shared__ unsigned int bins[256];
    bins[threadIdx.x] = 0;
    __syncthreads();
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t at = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; at < count; at += step) {
        atomicAdd(&bins[values[at]], 1u);
    }
    __syncthreads();
    atomicAdd(&out[threadIdx.x], (unsigned long long)bins[threadIdx.x]);
}

void histogram(torch::Tensor values, torch::Tensor out) {
    const int threads = 256;  // one for each bin
    const int64_t count = values.numel();
    const int64_t blocks = std::min<int64_t>((count + threads - 1) / threads, 512);
    out.zero_();
    histogram_kernel<<<blocks, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        values.data_ptr<uint8_t>(),
        reinterpret_cast<unsigned long long*>(out.data_ptr<int64_t>()),
        count);
}
"""

module = load_inline(
    name="histogram",
    cpp_sources="void histogram(torch::Tensor values, torch::Tensor out);",
    cuda_sources=CUDA,
    functions=["histogram"],
)


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    module.histogram(values, out)
    return out
