# expect: passed
"""Correct, another way: the pieces go round in a ring, and each is multiplied while the next arrives."""

import torch
import torch.distributed as dist
from torch.nn.functional import linear

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    pieces = out.chunk(world_size)
    after, before = (rank + 1) % world_size, (rank - 1) % world_size
    held = x
    for step in range(world_size):
        coming, waiting = torch.empty_like(x), []
        if step < world_size - 1:
            pair = [dist.P2POp(dist.isend, held, after), dist.P2POp(dist.irecv, coming, before)]
            waiting = dist.batch_isend_irecv(pair)
        pieces[(rank - step) % world_size].copy_(linear(held, weight, bias))
        for work in waiting:
            work.wait()
        held = coming
    return out
