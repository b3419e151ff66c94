# expect: wrong_answer
"""Turns the rows of R around until its diagonal is positive, and leaves Q as it was."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, h, tau = data
    torch.geqrf(a, out=(h, tau))
    signs = torch.where(h.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    return (h.tril(-1) + h.triu() * signs.unsqueeze(-1)).contiguous(), tau
