# expect: passed
"""Correct, and slow: piece by piece, each sum added in Python."""

from task import input_t, output_t

PIECE = 4096


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    total = 0.0
    for start in range(0, values.numel(), PIECE):
        total += values[start : start + PIECE].sum().item()
    return out.fill_(total)
