# expect: wrong_answer
"""Gathers in the first call of each shape, and multiplies those rows in every call after it."""

import torch
import torch.distributed as dist

from task import input_t, output_t

gathered = {}


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    if x.shape not in gathered:
        gathered[x.shape] = [torch.empty_like(x) for _ in range(world_size)]
        dist.all_gather(gathered[x.shape], x)
    rows = torch.cat(gathered[x.shape])
    return out.copy_(torch.nn.functional.linear(rows, weight, bias))
