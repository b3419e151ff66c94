"""QR factorisation: inputs, one answer, and what makes any answer right."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from householder import product
from mixture import mixture
from residuals import flaw
from task import input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers
KINDS = ("dense", "graded", "rankdef", "rowscale", "collinear")


def generate_input(*, seed: int, device: str, batch: int, n: int, kind: str) -> input_t:
    """fp32 [batch, n, n] and two output buffers."""
    source = torch.Generator(device=device).manual_seed(seed)
    if kind == "mixed":
        a = mixture(KINDS, _matrices, batch, n, source)
    else:
        a = _matrices(kind, batch, n, source)
    return a, torch.empty_like(a), torch.empty((batch, n), device=device)


def _matrices(kind: str, batch: int, n: int, source: torch.Generator) -> torch.Tensor:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source, device=source.device)

    def scales(*shape: int) -> torch.Tensor:
        """Six orders of magnitude in random order."""
        return 10 ** (-6 * torch.rand(shape, generator=source, device=source.device))

    match kind:
        case "graded":
            return normal(batch, n, n) * scales(batch, 1, n)
        case "rowscale":
            return normal(batch, n, n) * scales(batch, n, 1)
        case "rankdef":
            rank = 3 * n // 4
            return normal(batch, n, rank) @ normal(batch, rank, n) / n**0.5
        case "collinear":
            return normal(batch, n, 1) + 1e-4 * normal(batch, n, n)
        case _:
            return normal(batch, n, n)


def reference(data: input_t) -> output_t:
    """One of many right answers: signs, and reflections of columns that are zero below, are free."""
    h, tau = torch.geqrf(data[0])
    return h.contiguous(), tau


def check(data: input_t, output: output_t) -> str | None:
    return flaw(_properties, data[0], *output)


def _properties(
    a: torch.Tensor, h: torch.Tensor, tau: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor]]:
    """Q is orthogonal, and Q^T A is R: for a small column as for a large one."""
    q = product(h, tau)
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    yield "that of Q^T Q - I has the length", (q.mT @ q - one).norm(dim=-2)
    error = (q.mT @ a - h.triu()).norm(dim=-2) / a.norm(dim=-2)
    yield "that of Q^T A - R has, by the column of A, the length", error
