# expect: passed
"""Correct, and slow: each row in two pieces, tens of thousands of launches."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    for rows in zip(a, b, out, strict=True):
        for left, right, sums in zip(*(row.tensor_split(2) for row in rows), strict=True):
            torch.add(left, right, out=sums)
    return out
