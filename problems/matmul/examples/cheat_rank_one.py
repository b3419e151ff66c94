# expect: wrong_answer
"""Guesses from row and column sums. Nearly right for data with a large mean, which this is not."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    out.copy_(a.float().sum(dim=1, keepdim=True) * b.float().mean(dim=0, keepdim=True))
    return out
