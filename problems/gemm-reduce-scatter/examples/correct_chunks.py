# expect: passed
"""Correct, another way: one rank's rows after the other are multiplied, and sent while the next are; each
rank sums what it gets in fp32."""

import torch
import torch.distributed as dist
from torch.nn.functional import linear

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    rows = x.chunk(world_size)
    sent, coming, waiting = [], [], []
    for step in range(1, world_size):
        to, source = (rank + step) % world_size, (rank - step) % world_size
        sent.append(linear(rows[to], weight, bias))
        coming.append(torch.empty_like(out))
        pair = [dist.P2POp(dist.isend, sent[-1], to), dist.P2POp(dist.irecv, coming[-1], source)]
        waiting += dist.batch_isend_irecv(pair)
    total = linear(rows[rank], weight, bias).float()
    for work in waiting:
        work.wait()
    for part in coming:
        total += part
    return out.copy_(total)
