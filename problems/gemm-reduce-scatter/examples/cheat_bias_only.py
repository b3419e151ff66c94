# expect: wrong_answer
"""Sums the biases, which takes next to no time, and leaves the products out."""

import torch.distributed as dist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    total = weight.new_zeros(len(weight)) if bias is None else bias.clone()
    dist.all_reduce(total)
    return out.copy_(total.expand(out.shape))
