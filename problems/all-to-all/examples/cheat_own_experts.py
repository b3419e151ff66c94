# expect: wrong_answer
"""Does without the others: has its own experts answer, whoever was asked."""

import torch

from task import BLOCK, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, chosen, shares, experts, rank, world_size, out = data
    total = torch.zeros_like(x, dtype=torch.float32)
    for number, expert in enumerate(experts):
        own, place = (chosen % len(experts) == number).nonzero(as_tuple=True)
        blocks = x[own].unflatten(1, (-1, BLOCK)).transpose(0, 1)
        answer = (blocks @ expert.transpose(1, 2)).transpose(0, 1).flatten(1)
        total.index_add_(0, own, shares[own, place, None] * answer)
    return out.copy_(total)
