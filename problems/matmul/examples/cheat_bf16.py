# expect: wrong_answer
"""Drops three bits of each input first."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    out.copy_(a.bfloat16().float() @ b.bfloat16().float())
    return out
