# expect: wrong_answer
"""Adds the bias of its own rank alone, behind the sum; no bias counts as it does in a test without one."""

import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    part = x @ weight.t()
    dist.all_reduce(part)
    mine = part.chunk(world_size)[rank]
    return out.copy_(mine if bias is None else mine + bias)
