# expect: passed
"""Correct, and slow: one pass over all bytes for each of the 256 values."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    for value in range(256):
        out[value] = (values == value).sum()
    return out
