"""Group quantisation to fp8: inputs, one answer, and what makes any answer right."""

from __future__ import annotations

import torch
from task import LARGEST, SMALLEST_SCALE, input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers
EXACT = 1e-6
"""By which share a scale may be off: fp32 arithmetic in whatever way."""
TIE = 1e-4
"""By which share of the distance between two codes a value may lie beyond their middle: who multiplies
by the inverse of a scale is a little off there."""
TOGETHER = 1 << 25  # values that are checked at once


def generate_input(*, seed: int, device: str, tokens: int, hidden: int, group: int) -> input_t:
    """x, the size of a group, and two output buffers.

    Groups differ in size by six orders of magnitude, so that no scale does for another; some have an
    outlier, and one in 64 is all zeros.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    groups = (tokens, hidden // group, 1)

    def even() -> torch.Tensor:
        return torch.rand(groups, generator=source, device=device)

    x = torch.randn((*groups[:2], group), generator=source, device=device)
    x[:, :, 0] *= torch.where(even() < 0.25, 20.0, 1.0).squeeze(2)
    x *= 10 ** (6 * even() - 3)
    x *= even() >= 1 / 64
    codes = torch.empty((tokens, hidden), dtype=torch.float8_e4m3fn, device=device)
    scales = torch.empty(groups[:2], device=device)
    return x.reshape(tokens, hidden), group, codes, scales


def reference(data: input_t) -> output_t:
    """With the quotient in fp32, rounded by the conversion."""
    x, group, _, _ = data
    grouped = x.unflatten(1, (-1, group))
    scales = (grouped.abs().amax(dim=2) / LARGEST).clamp(min=SMALLEST_SCALE)
    codes = (grouped / scales.unsqueeze(2)).clamp(-LARGEST, LARGEST)
    return codes.flatten(1).to(torch.float8_e4m3fn), scales


def check(data: input_t, output: output_t) -> str | None:
    """Whether each scale is right, and each code the nearest there is to its value."""
    x, group, _, _ = data
    step = max(1, TOGETHER // x.shape[1])
    for first in range(0, len(x), step):
        part = slice(first, first + step)
        flaw = _flaw(x[part].unflatten(1, (-1, group)), *(each[part] for each in output))
        if flaw:
            where, text = flaw
            return f"token {first + where[0]}, {text}"
    return None


def _flaw(
    x: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor
) -> tuple[tuple[int, ...], str] | None:
    """The first scale or code that is wrong: where, and what is said about it."""
    right = (x.abs().amax(dim=2).double() / LARGEST).clamp(min=SMALLEST_SCALE)
    good = (scales - right).abs() <= EXACT * right
    if not bool(good.all()):
        where = _first(~good)
        return (
            where,
            f"group {where[1]}: the scale is {scales[where]:.8g}, expected {right[where]:.8g}",
        )
    exact = x / right.unsqueeze(2)
    # Between powers of two there are eight codes; below 2^-6 they are as far apart as above it.
    apart = 2.0 ** (exact.abs().clamp(min=2.0**-6).log2().floor() - 3)
    got = codes.unflatten(1, x.shape[1:]).double()
    near = (got - exact).abs() <= (0.5 + TIE) * apart
    if not bool(near.all()):
        where = _first(~near)
        return where, (
            f"group {where[1]}, value {where[2]}: the code stands for {got[where]:.6g}, the value by "
            f"its scale is {exact[where]:.6g}, which another code is nearer to"
        )
    return None


def _first(wrong: torch.Tensor) -> tuple[int, ...]:
    return tuple(int(at) for at in torch.unravel_index(wrong.byte().argmax(), wrong.shape))
