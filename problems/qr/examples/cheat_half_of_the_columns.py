# expect: wrong_answer
"""Stops half-way: what is left below the diagonal is cut off with the reflections."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, h, tau = data
    half = a.shape[-1] // 2
    front, coefficients = torch.geqrf(a[:, :, :half])
    tau.zero_()[:, :half] = coefficients
    h[:, :, :half] = front
    # ormqr takes one matrix at a time, the product of the reflections many.
    wide = torch.zeros_like(a)
    wide[:, :, :half] = front
    q = torch.linalg.householder_product(wide, tau)
    h[:, :, half:] = (q.mT @ a[:, :, half:]).triu(-half)
    h[:, half:, half:] = h[:, half:, half:].triu()
    return h, tau
