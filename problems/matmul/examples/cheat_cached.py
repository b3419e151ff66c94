# expect: wrong_answer
"""Computes once for each shape and returns that again: only right if inputs repeat."""

from task import input_t, output_t

answers = {}


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    if out.shape not in answers:
        answers[out.shape] = (a.float() @ b.float()).half()
    return answers[out.shape]
