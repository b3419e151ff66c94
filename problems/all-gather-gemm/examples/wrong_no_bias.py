# expect: wrong_answer
"""Leaves the bias out."""

import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    rows = x.new_empty((len(out), x.shape[1]))
    dist.all_gather_into_tensor(rows, x)
    return out.copy_(rows @ weight.t())
