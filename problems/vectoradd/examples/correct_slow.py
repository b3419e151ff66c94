# expect: passed
"""Correct, and slow: one call a row, and each row in pieces."""

import torch

from task import input_t, output_t

PIECE = 256


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    for row in range(a.shape[0]):
        for start in range(0, a.shape[1], PIECE):
            piece = slice(start, start + PIECE)
            torch.add(a[row, piece], b[row, piece], out=out[row, piece])
    return out
