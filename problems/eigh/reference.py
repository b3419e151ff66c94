"""Symmetric eigenvalues and eigenvectors: inputs, one answer, and what makes any answer right."""

from __future__ import annotations

import torch
from householder import orthogonal
from task import input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers
KINDS = ("dense", "spectrum", "clustered", "rankdef", "band", "diagonal")
CLUSTERS = 4
EPS = torch.finfo(torch.float32).eps
TOGETHER = 1 << 25  # elements that are checked at once: some GB in fp64


def generate_input(*, seed: int, device: str, batch: int, n: int, kind: str) -> input_t:
    """Symmetric fp32 [batch, n, n] and two output buffers.

    Spectra are drawn anew as well: who knows the kind of a matrix knows no eigenvalue of it.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    if kind == "mixed":
        a = torch.empty((batch, n, n), device=device)
        kinds = torch.randperm(batch, generator=source, device=device) % len(KINDS)
        for number, each in enumerate(KINDS):
            chosen = kinds == number
            a[chosen] = _matrices(each, int(chosen.sum()), n, source)
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
    """One of many right answers: signs are free, and so are bases of spaces with one eigenvalue."""
    values, vectors = torch.linalg.eigh(data[0])
    return vectors.contiguous(), values


def check(data: input_t, output: output_t) -> str | None:
    """Whether vectors are orthonormal, eigenvectors, and in order, in fp64 and each by itself.

    An exact fp64 answer rounded to fp32 is about EPS away from that, fp32 arithmetic up to
    3 * sqrt(n) * EPS; inputs in TF32 are 800 EPS and more away. n orthonormal vectors with small
    residuals leave no eigenvalue out, so the eigenvalues themselves need not be compared.
    """
    a, (vectors, values) = data[0], output
    n = a.shape[-1]
    if not bool((values[:, 1:] >= values[:, :-1]).all()):
        return "the eigenvalues are not in ascending order"
    allowed = 8 * (4 + n**0.5) * EPS
    step = max(1, TOGETHER // n**2)
    for first in range(0, len(a), step):
        part = slice(first, first + step)
        flaw = _flaw(a[part].double(), vectors[part].double(), values[part].double(), allowed)
        if flaw:
            matrix, column, text = flaw
            return (
                f"matrix {first + matrix}, eigenvector {column}: {text}, {allowed:.2g} is allowed"
            )
    return None


def _flaw(
    a: torch.Tensor, q: torch.Tensor, values: torch.Tensor, allowed: float
) -> tuple[int, int, str] | None:
    """The worst vector of the first property that does not hold: matrix, column, by how much."""
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    # The norm of A by the answer's own word. To claim more gains nothing: the vector of an
    # eigenvalue that is too large by some share of itself has that share for a residual.
    norm = values.abs().amax(dim=-1, keepdim=True)
    properties = (
        ("its column of Q^T Q - I has the length", (q.mT @ q - one).norm(dim=-2)),
        (
            "A q - value * q has, by the largest eigenvalue, the length",
            (a @ q - q * values.unsqueeze(-2)).norm(dim=-2) / norm,
        ),
    )
    for text, error in properties:
        if not bool((error <= allowed).all()):  # nor is it with NaN
            worst = int(error.nan_to_num(torch.inf).argmax())
            matrix, column = divmod(worst, a.shape[-1])
            return matrix, column, f"{text} {float(error[matrix, column]):.2g}"
    return None
