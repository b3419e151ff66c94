"""Products of Householder reflections, and random orthogonal matrices made of them."""

from __future__ import annotations

import torch


def product(h: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """Q = H_1 H_2 ... H_n with H_j = I - tau_j v_j v_j^T, v_j below the diagonal of h and 1 on it.

    It is I - V T V^T, where the inverse of T has 1/tau on its diagonal and V^T V above it. A
    reflection with tau = 0 is none, so its v is left out.
    """
    one = torch.eye(h.shape[-1], dtype=h.dtype, device=h.device)
    there = tau != 0
    v = (h.tril(-1) + one) * there.unsqueeze(-2)
    inverse = (v.mT @ v).triu(1) + torch.diag_embed(torch.where(there, 1 / tau, 1.0))
    return one - v @ torch.linalg.solve_triangular(inverse, v.mT, upper=True)


def orthogonal(batch: int, n: int, source: torch.Generator) -> torch.Tensor:
    """fp32 [batch, n, n], evenly distributed over all orthogonal matrices."""
    # Column j is turned into a random direction of the n - j dimensions that are left.
    drawn = torch.randn((batch, n, n), generator=source, device=source.device).double().tril()
    head = drawn.diagonal(dim1=-2, dim2=-1)
    root = drawn.norm(dim=-2).copysign(head)
    return product(drawn / (head + root).unsqueeze(-2), (head + root) / root).float()
