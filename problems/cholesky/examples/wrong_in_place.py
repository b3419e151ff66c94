# expect: wrong_answer
"""Leaves above the diagonal what was there, as LAPACK does."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    return out.copy_(torch.linalg.cholesky(a) + a.triu(1))
