# expect: wrong_answer
"""Reads green only, which is more than half of it."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    out.copy_(image[:, :, 1] * 0.587 + 0.20645)
    return out
