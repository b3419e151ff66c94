# expect: wrong_answer
"""Does without the others: takes its own rows for those of every rank."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    return out.copy_(torch.nn.functional.linear(x, weight, bias).repeat(world_size, 1))
