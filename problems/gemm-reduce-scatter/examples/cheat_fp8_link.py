# expect: wrong_answer
"""Sends the products in fp8, half of the bytes."""

import torch
import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    part = torch.nn.functional.linear(x, weight, bias).to(torch.float8_e4m3fn).view(torch.uint8)
    parts = part.new_empty((world_size, *part.shape))
    dist.all_gather(list(parts), part)
    total = parts.view(torch.float8_e4m3fn).float().sum(0)
    return out.copy_(total.chunk(world_size)[rank])
