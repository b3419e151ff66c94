# expect: wrong_answer
"""Hopes that zeros are close enough."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    return data[2].zero_()
