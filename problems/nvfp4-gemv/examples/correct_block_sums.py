# expect: passed
"""Correct, and slow: the sum of each block of bare numbers first, then the scales."""

import fp4
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    for batch in range(len(a)):
        matrix = fp4.decoded(a[batch], torch.ones_like(a_scale[batch].half())).unflatten(1, (-1, 16))
        vector = fp4.decoded(b[batch], torch.ones_like(b_scale[batch].half())).unflatten(0, (-1, 16))
        sums = (matrix * vector).sum(dim=2)
        out[batch] = (sums * a_scale[batch].float() * b_scale[batch].float()).sum(dim=1).half()
    return out
