# expect: passed
"""Correct, and slow: one call a row."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    for row in range(a.shape[0]):
        torch.add(a[row], b[row], out=out[row])
    return out
