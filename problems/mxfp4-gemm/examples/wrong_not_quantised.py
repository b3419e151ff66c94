# expect: wrong_answer
"""Multiplies the bf16 numbers as they are: nearer to what was meant, and not what is asked for."""

import fp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, b_scale, out = data
    return out.copy_(a.float() @ fp4.decoded(b, b_scale).t())
