# expect: passed
"""Correct, and slow: each different value with how often it occurs, then all of them again."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    different, counts = torch.unique(values, return_counts=True)
    return out.copy_(torch.repeat_interleave(different, counts))
