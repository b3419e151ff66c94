# expect: wrong_answer
"""The right number without a dimension, where one is asked for."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    return data[0].sum()
