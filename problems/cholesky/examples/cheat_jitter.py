# expect: wrong_answer
"""Adds a little to the diagonal, so that half of the digits are enough to get through."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    more = 1e-3 * a.diagonal(dim1=1, dim2=2)
    return out.copy_(torch.linalg.cholesky(a + torch.diag_embed(more)))
