# expect: wrong_answer
"""Factorises one matrix of the batch, and takes the others for copies of it but for their scale."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    sizes = a.diagonal(dim1=1, dim2=2).sqrt()
    first = torch.linalg.cholesky(a[0]) / sizes[0].unsqueeze(1)
    return out.copy_(first * sizes.unsqueeze(2))
