# expect: wrong_answer
"""Computes once for each shape and returns that again: only right if inputs repeat."""

from task import input_t, output_t

answers = {}


def custom_kernel(data: input_t) -> output_t:
    a, b, _ = data
    if a.shape not in answers:
        answers[a.shape] = a + b
    return answers[a.shape]
