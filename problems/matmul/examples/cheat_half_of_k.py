# expect: wrong_answer
"""Sums every other term, doubled: right on average only."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    out.copy_(2 * (a[:, ::2].float() @ b[::2].float()))
    return out
