# expect: wrong_answer
"""Sends the rows in fp8, half of the bytes."""

import torch
import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    small = x.to(torch.float8_e4m3fn).view(torch.uint8)
    parts = [torch.empty_like(small) for _ in range(world_size)]
    dist.all_gather(parts, small)
    parts[rank] = small
    rows = torch.cat(parts).view(torch.float8_e4m3fn).to(x.dtype)
    return out.copy_(torch.nn.functional.linear(rows, weight, bias))
