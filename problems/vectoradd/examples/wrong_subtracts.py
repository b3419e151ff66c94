# expect: wrong_answer
"""The wrong sign."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    out.copy_(a - b)
    return out
