#!kernelbot leaderboard gemm-reduce-scatter
import torch
import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    part = torch.nn.functional.linear(x, weight, bias)
    if x.is_cuda:
        dist.reduce_scatter_tensor(out, part)
    else:  # gloo, which the CPU target has, sums for everybody or nobody
        dist.all_reduce(part)
        out.copy_(part.chunk(world_size)[rank])
    return out
