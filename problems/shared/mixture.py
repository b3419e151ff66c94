"""Batches of matrices that have not much in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

Matrices = Callable[[str, int, int, torch.Generator], torch.Tensor]
"""Makes some n x n matrices of a kind: kind, how many, n, source."""


def mixture(
    kinds: Sequence[str], matrices: Matrices, batch: int, n: int, source: torch.Generator
) -> torch.Tensor:
    """fp32 [batch, n, n]: as many of each kind, in random places."""
    a = torch.empty((batch, n, n), device=source.device)
    which = torch.randperm(batch, generator=source, device=source.device) % len(kinds)
    for number, kind in enumerate(kinds):
        chosen = which == number
        a[chosen] = matrices(kind, int(chosen.sum()), n, source)
    return a
