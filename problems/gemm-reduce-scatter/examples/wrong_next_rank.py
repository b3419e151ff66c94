# expect: wrong_answer
"""Off by one: takes the rows of the next rank."""

import torch
import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    part = torch.nn.functional.linear(x, weight, bias)
    dist.all_reduce(part)
    return out.copy_(part.chunk(world_size)[(rank + 1) % world_size])
