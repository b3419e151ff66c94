# expect: wrong_answer
"""Does without the others: takes its own product as often as there are ranks."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    part = torch.nn.functional.linear(x.chunk(world_size)[rank], weight, bias)
    return out.copy_(part * world_size)
