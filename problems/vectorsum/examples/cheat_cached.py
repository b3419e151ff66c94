# expect: wrong_answer
"""Computes once for each size and returns that again: only right if inputs repeat."""

from task import input_t, output_t

answers = {}


def custom_kernel(data: input_t) -> output_t:
    values, _ = data
    if values.shape not in answers:
        answers[values.shape] = values.sum().reshape(1)
    return answers[values.shape]
