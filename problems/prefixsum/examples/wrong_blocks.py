# expect: wrong_answer
"""Starts anew in every block of 1024."""

import torch

from task import input_t, output_t

BLOCK = 1024


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    for start in range(0, values.numel(), BLOCK):
        out[start : start + BLOCK] = torch.cumsum(values[start : start + BLOCK], dim=0)
    return out
