"""QR factorisation: inputs, one answer, and what makes any answer right."""

from __future__ import annotations

import torch
from householder import product
from task import input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers
KINDS = ("dense", "graded", "rankdef", "rowscale", "collinear")
EPS = torch.finfo(torch.float32).eps
TOGETHER = 1 << 25  # elements that are checked at once: some GB in fp64


def generate_input(*, seed: int, device: str, batch: int, n: int, kind: str) -> input_t:
    """fp32 [batch, n, n] and two output buffers."""
    source = torch.Generator(device=device).manual_seed(seed)
    if kind == "mixed":
        a = torch.empty((batch, n, n), device=device)
        kinds = torch.randperm(batch, generator=source, device=device) % len(KINDS)
        for number, each in enumerate(KINDS):
            chosen = kinds == number
            a[chosen] = _matrices(each, int(chosen.sum()), n, source)
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
    """Whether Q is orthogonal and Q^T A is R, in fp64 and for every column by itself.

    An exact fp64 factorisation rounded to fp32 is about EPS away from that and fp32 reflections one
    after the other about sqrt(n) * EPS; inputs in TF32 are 1000 EPS and more away.
    """
    a, (h, tau) = data[0], output
    n = a.shape[-1]
    allowed = 8 * (4 + n**0.5) * EPS
    step = max(1, TOGETHER // n**2)
    for first in range(0, len(a), step):
        part = slice(first, first + step)
        flaw = _flaw(a[part].double(), h[part].double(), tau[part].double(), allowed)
        if flaw:
            matrix, column, text = flaw
            return f"matrix {first + matrix}, column {column}: {text}, {allowed:.2g} is allowed"
    return None


def _flaw(
    a: torch.Tensor, h: torch.Tensor, tau: torch.Tensor, allowed: float
) -> tuple[int, int, str] | None:
    """The worst column of the first property that does not hold: matrix, column, by how much."""
    q = product(h, tau)
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    properties = (
        ("of Q^T Q - I has the length", (q.mT @ q - one).norm(dim=-2)),
        (
            "of Q^T A - R has, by the column of A, the length",
            (q.mT @ a - h.triu()).norm(dim=-2) / a.norm(dim=-2),
        ),
    )
    for text, error in properties:
        if not bool((error <= allowed).all()):  # nor is it with NaN
            worst = int(error.nan_to_num(torch.inf).argmax())
            matrix, column = divmod(worst, a.shape[-1])
            return matrix, column, f"that {text} {float(error[matrix, column]):.2g}"
    return None
