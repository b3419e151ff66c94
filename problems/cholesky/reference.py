"""Cholesky factorisation: inputs, the answer, and what is near enough to it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from householder import orthogonal
from mixture import mixture
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer
KINDS = ("dense", "spectrum", "lowrank", "scaled", "tridiagonal")
DIRECTIONS = 8
REST = 0.25
"""How large is what lowrank matrices have besides, in all directions. Its elements beside the diagonal
are some REST / sqrt(n), 25 times what is allowed at n = 16384: who takes a few directions and a diagonal
for the whole matrix, which can be factorised in n^2 steps, is wrong."""
EPS = torch.finfo(torch.float32).eps
TOGETHER = 1 << 25  # elements that are checked at once: some 100 MB in fp64


def generate_input(*, seed: int, device: str, batch: int, n: int, kind: str) -> input_t:
    """Symmetric positive definite fp32 [batch, n, n] and an output buffer."""
    source = torch.Generator(device=device).manual_seed(seed)
    if kind == "mixed":
        a = mixture(KINDS, _matrices, batch, n, source)
    else:
        a = _matrices(kind, batch, n, source)
    a = (a + a.mT) / 2
    return a, torch.empty_like(a)


def _matrices(kind: str, batch: int, n: int, source: torch.Generator) -> torch.Tensor:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source, device=source.device)

    def even(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=source, device=source.device)

    match kind:
        case "spectrum":
            q = orthogonal(batch, n, source)
            return (q * 10 ** (-5 * even(batch, 1, n))) @ q.mT
        case "lowrank":
            some = normal(batch, n, DIRECTIONS)
            all_of_them = normal(batch, n, n)
            a = some @ some.mT / DIRECTIONS + REST / n * (all_of_them @ all_of_them.mT)
            return a + torch.diag_embed(1e-3 + 1e-3 * even(batch, n))
        case "tridiagonal":
            beside = torch.diag_embed(2 * even(batch, n - 1) - 1, offset=1)
            beside = beside + beside.mT
            return beside + torch.diag_embed(beside.abs().sum(dim=-1) + 0.01 + even(batch, n))
    drawn = normal(batch, n, 2 * n)
    covariance = drawn @ drawn.mT / (2 * n)
    if kind == "scaled":
        sizes = 10 ** (-4 * even(batch, n))
        covariance *= sizes.unsqueeze(-1) * sizes.unsqueeze(-2)
    return covariance


def reference(data: input_t) -> torch.Tensor:
    return torch.linalg.cholesky(data[0])


def check(data: input_t, output: torch.Tensor) -> str | None:
    """Whether L is lower triangular, and L L^T is A in every element, in fp64.

    The elements of a right L are only as sure as the matrix is well-conditioned. Those of L L^T are
    sure for all: an exact fp64 factor rounded to fp32 is about EPS * sqrt(a_ii a_jj) away from a_ij,
    and fp32 arithmetic, in whatever order, up to sqrt(n) times that.
    """
    a, lower = data[0], output
    n = a.shape[-1]
    if bool(lower.triu(1).any()):  # NaN counts as well
        return "not every element above the diagonal is zero"
    if not bool((lower.diagonal(dim1=-2, dim2=-1) > 0).all()):
        return "not every element of the diagonal is positive"
    allowed = 4 * (2 + n**0.5) * EPS
    sizes = a.diagonal(dim1=-2, dim2=-1).double().sqrt()
    for matrices, rows in _parts(*a.shape[:2]):
        right = lower[matrices, : rows.stop, : rows.stop].double()
        found = right[:, rows.start :] @ right.mT
        size = sizes[matrices, rows].unsqueeze(-1) * sizes[matrices, None, : rows.stop]
        error = (found - a[matrices, rows, : rows.stop].double()).abs() / size
        if not bool((error <= allowed).all()):  # nor is it with NaN
            worst = error.nan_to_num(torch.inf)
            at = torch.unravel_index(worst.argmax(), worst.shape)
            matrix, row, column = (int(index) for index in at)
            return (
                f"matrix {matrices.start + matrix}: L L^T at [{rows.start + row}, {column}] is off by "
                f"{float(error[matrix, row, column]):.2g} of sqrt(a_ii a_jj), {allowed:.2g} is allowed"
            )
    return None


def _parts(batch: int, n: int) -> Iterator[tuple[slice, slice]]:
    """Some matrices, or some rows of one, at a time."""
    matrices, rows = max(1, TOGETHER // n**2), min(n, TOGETHER // n)
    for first in range(0, batch, matrices):
        for top in range(0, n, rows):
            yield slice(first, first + matrices), slice(top, min(n, top + rows))
