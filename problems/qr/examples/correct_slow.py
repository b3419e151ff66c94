# expect: passed
"""Correct, and slow: column by column, and signs chosen so that the diagonal of R is negative."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, h, tau = data
    h.copy_(a)
    for j in range(a.shape[-1]):
        column = h[:, j:, j]
        length = column.norm(dim=1)
        # The head minus -length, without cancelling where the head is negative.
        head, below = column[:, 0], column[:, 1:].square().sum(dim=1)
        pivot = torch.where(head > 0, head + length, below / (length - head))
        there = below > 0
        v = torch.where(there[:, None], column / pivot[:, None], 0.0)
        v[:, 0] = 1
        tau[:, j] = torch.where(there, pivot / length, 0.0)
        rest = h[:, j:, j + 1 :]
        rest -= (tau[:, j, None] * v)[:, :, None] * torch.einsum("bi,bij->bj", v, rest)[:, None]
        h[:, j, j] = torch.where(there, -length, head)
        h[:, j + 1 :, j] = v[:, 1:]
    return h, tau
