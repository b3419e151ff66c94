# expect: wrong_answer
# problem: allreduce
# Only the first rank has the sum, which is all that some judges look at.
import torch.distributed as dist


def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
    dist.reduce(out, 0)
    return out
