# expect: wrong_answer
"""Multiplies in TF32: blocks of 16 columns, whose products are rounded to ten bits first."""

import torch

from task import input_t, output_t

SIZE = 16


def rounded(x):
    return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    n = a.shape[-1]
    out.copy_(a)
    for first in range(0, n, SIZE):
        last = min(n, first + SIZE)
        corner = torch.linalg.cholesky_ex(out[:, first:last, first:last]).L
        out[:, first:last, first:last] = corner
        below = torch.linalg.solve_triangular(
            corner.mT, out[:, last:, first:last], upper=True, left=False
        )
        out[:, last:, first:last] = below
        out[:, last:, last:] -= rounded(below) @ rounded(below).mT
    return out.tril_()
