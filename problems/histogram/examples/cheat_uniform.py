# expect: wrong_answer
"""Assumes that every value is equally frequent."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    return out.fill_(values.numel() // 256)
