# expect: wrong_answer
"""Factorises the first matrix, and hands that out for the whole batch."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, h, tau = data
    first, coefficients = torch.geqrf(a[0])
    return h.copy_(first), tau.copy_(coefficients)
