# expect: wrong_answer
"""Reads b as if it were stored column by column."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    k, n = b.shape
    out.copy_(a.float() @ b.reshape(n, k).t().float())
    return out
