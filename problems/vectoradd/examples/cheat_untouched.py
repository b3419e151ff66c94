# expect: wrong_answer
"""Hopes that the buffer still holds somebody's right answer."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    return data[2]
