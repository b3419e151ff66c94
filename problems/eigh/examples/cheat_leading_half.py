# expect: wrong_answer
"""Finds the larger half of the eigenvalues, and completes the vectors with anything orthogonal."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    n = a.shape[-1]
    found, q = torch.linalg.eigh(a)
    order = found.abs().sort(dim=1, descending=True).indices[:, : n - n // 2]
    leading = q.gather(2, order.unsqueeze(1).expand(-1, n, -1))
    basis = torch.linalg.qr(torch.cat([leading, a[:, :, : n // 2]], dim=2)).Q
    rayleigh = torch.einsum("bij,bik,bkj->bj", basis, a, basis)
    found, order = rayleigh.sort(dim=1)
    return vectors.copy_(basis.gather(2, order.unsqueeze(1).expand_as(basis))), values.copy_(found)
