# expect: wrong_answer
"""Hopes that the input is in order already."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    return out.copy_(values)
