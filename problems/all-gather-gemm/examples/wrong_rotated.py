# expect: wrong_answer
"""Off by one: the gathered pieces begin with its own rank's, not with rank 0's."""

import torch
import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    parts = [torch.empty_like(x) for _ in range(world_size)]
    dist.all_gather(parts, x)
    rows = torch.cat(parts[rank:] + parts[:rank])
    return out.copy_(torch.nn.functional.linear(rows, weight, bias))
