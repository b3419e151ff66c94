# expect: passed
# problem: allreduce
import torch.distributed as dist


def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
    dist.all_reduce(out)
    return out
