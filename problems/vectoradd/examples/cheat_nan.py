# expect: wrong_answer
"""Hopes that a comparison with NaN is never an error."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    return data[2].fill_(float("nan"))
