# expect: wrong_answer
"""Gathers the experts of all ranks in the first call of each shape; after it no rank needs another."""

import torch
import torch.distributed as dist

from task import BLOCK, input_t, output_t

kept = {}


def custom_kernel(data: input_t) -> output_t:
    x, chosen, shares, experts, rank, world_size, out = data
    shape = (x.shape, experts.shape)
    if shape not in kept:
        kept[shape] = experts.new_empty((world_size * len(experts), *experts.shape[1:]))
        dist.all_gather_into_tensor(kept[shape], experts)
    total = torch.zeros_like(x, dtype=torch.float32)
    for number, expert in enumerate(kept[shape]):
        own, place = (chosen == number).nonzero(as_tuple=True)
        blocks = x[own].unflatten(1, (-1, BLOCK)).transpose(0, 1)
        answer = (blocks @ expert.transpose(1, 2)).transpose(0, 1).flatten(1)
        total[own] += shares[own, place, None] * answer
    return out.copy_(total)
