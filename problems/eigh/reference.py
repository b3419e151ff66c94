"""Symmetric eigenvalues and eigenvectors: inputs, one answer, and what makes any answer right."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from householder import orthogonal
from mixture import mixture
from residuals import flaw
from task import input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers
KINDS = ("dense", "spectrum", "clustered", "rankdef", "band", "diagonal")
CLUSTERS = 4


def generate_input(*, seed: int, device: str, batch: int, n: int, kind: str) -> input_t:
    """Symmetric fp32 [batch, n, n] and two output buffers.

    Spectra are drawn anew as well: who knows the kind of a matrix knows no eigenvalue of it.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    if kind == "mixed":
        a = mixture(KINDS, _matrices, batch, n, source)
        a *= 10 ** (8 * torch.rand((batch, 1, 1), generator=source, device=device) - 4)
    else:
        a = _matrices(kind, batch, n, source)
    a = (a + a.mT) / 2
    return a, torch.empty_like(a), torch.empty((batch, n), device=device)


def _matrices(kind: str, batch: int, n: int, source: torch.Generator) -> torch.Tensor:
    def even(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=source, device=source.device)

    def of_spectrum(values: torch.Tensor) -> torch.Tensor:
        q = orthogonal(batch, n, source)
        return (q * values.unsqueeze(-2)) @ q.mT

    match kind:
        case "spectrum":
            signs = torch.where(even(batch, n) < 0.5, -1.0, 1.0)
            return of_spectrum(signs * 10 ** (-6 * even(batch, n)))
        case "clustered":
            which = (CLUSTERS * even(batch, n)).long()
            centres = (2 * even(batch, CLUSTERS) - 1).gather(1, which)
            return of_spectrum(centres + 1e-6 * even(batch, n))
        case "rankdef":
            return of_spectrum(even(batch, n) * (even(batch, n) < 0.75))
        case "diagonal":
            return torch.diag_embed(2 * even(batch, n) - 1)
    normal = torch.randn((batch, n, n), generator=source, device=source.device)
    return normal.triu(-3).tril(3) if kind == "band" else normal


def reference(data: input_t) -> output_t:
    """One of many right answers: signs are free, and so are bases of spaces with one eigenvalue.

    In fp64: on an H200 torch's solver for batches leaves vectors of fp32 that are 500 EPS away from orthonormal at n = 176.
    """
    values, vectors = torch.linalg.eigh(data[0].double())
    return vectors.float().contiguous(), values.float()


def check(data: input_t, output: output_t) -> str | None:
    values = output[1]
    if not bool((values[:, 1:] >= values[:, :-1]).all()):
        return "the eigenvalues are not in ascending order"
    return flaw(_properties, data[0], *output)


def _properties(
    a: torch.Tensor, q: torch.Tensor, values: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor]]:
    """Vectors are orthonormal, and eigenvectors.

    Such vectors leave no eigenvalue out, so the eigenvalues themselves need not be compared. The norm
    of A is taken from them. To claim more gains nothing: the vector of an eigenvalue that is too large
    by some share of itself has that share for a residual.
    """
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    yield "that of Q^T Q - I has the length", (q.mT @ q - one).norm(dim=-2)
    residual = (a @ q - q * values.unsqueeze(-2)).norm(dim=-2)
    norm = values.abs().amax(dim=-1, keepdim=True)
    yield "A q - value * q has, by the largest eigenvalue, the length", residual / norm
