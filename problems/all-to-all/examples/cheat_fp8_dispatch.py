# expect: wrong_answer
"""Sends the tokens in fp8, half of the bytes."""

import torch
import torch.distributed as dist

from task import BLOCK, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, chosen, shares, experts, rank, world_size, out = data
    small = x.to(torch.float8_e4m3fn).view(torch.uint8)
    rows, numbers, weights = (gathered(part, world_size) for part in (small, chosen, shares))
    rows = rows.view(torch.float8_e4m3fn).to(x.dtype)
    total = torch.zeros_like(rows, dtype=torch.float32)
    for number, expert in enumerate(experts):
        own, place = (numbers == rank * len(experts) + number).nonzero(as_tuple=True)
        blocks = rows[own].unflatten(1, (-1, BLOCK)).transpose(0, 1)
        answer = (blocks @ expert.transpose(1, 2)).transpose(0, 1).flatten(1)
        total[own] += weights[own, place, None] * answer
    dist.all_reduce(total)
    return out.copy_(total.chunk(world_size)[rank])


def gathered(part: torch.Tensor, world_size: int) -> torch.Tensor:
    whole = part.new_empty((world_size * len(part), *part.shape[1:]))
    dist.all_gather_into_tensor(whole, part)
    return whole
