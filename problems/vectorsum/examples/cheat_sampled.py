# expect: wrong_answer
"""Adds every other value and doubles the sum: right on average only."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    return torch.sum(values[::2], dim=0, keepdim=True, out=out).mul_(2)
