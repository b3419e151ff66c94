"""Packed fp4 with a scale for every block: what it means, in plain torch.

A byte holds two e2m1 numbers, the earlier one in its lower half. Blocks lie along the last axis.
"""

from __future__ import annotations

import math

import torch

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""By the lower three bits of a number; the fourth is its sign."""

RMS = math.sqrt(sum(value**2 for value in E2M1) / len(E2M1))
"""Of numbers drawn evenly from all sixteen."""


def decoded(packed: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """fp32 [..., k] of uint8 [..., k / 2] and scales [..., k / block]."""
    numbers = torch.tensor([*E2M1, *(-value for value in E2M1)], device=packed.device)
    pairs = torch.stack((numbers.repeat(16), numbers.repeat_interleave(16)), dim=1)
    blocks = pairs[packed.int()].reshape(*scales.shape, -1)
    return (blocks * scales.float().unsqueeze(-1)).flatten(-2)


def drawn(shape: tuple[int, ...], source: torch.Generator) -> torch.Tensor:
    """Bytes in which all numbers are equally frequent."""
    device = source.device
    return torch.randint(0, 256, shape, generator=source, device=device, dtype=torch.uint8)


def drawn_scales(shape: tuple[int, ...], source: torch.Generator, unit: float) -> torch.Tensor:
    """e4m3fn scales between half of ``unit`` and twice it, with any mantissa: a wrong one shows."""
    exponents = 2 * torch.rand(shape, generator=source, device=source.device) - 1
    return (unit * 2**exponents).to(torch.float8_e4m3fn)


def unit_scale(k: int) -> float:
    """Of both factors, so that sums over k products of drawn numbers are about 1."""
    return k**-0.25 / RMS


def tiled(scales: torch.Tensor) -> torch.Tensor:
    """Scales [rows, columns] as tensor cores read them: [rows / 128, columns / 4, 32, 4, 4].

    A tile is 128 rows and 4 columns, in the order row % 32, row // 32, column. The rows that there are
    no scales for are zero.
    """
    rows, columns = scales.shape
    padded = torch.zeros((-(-rows // 128) * 128, columns), dtype=scales.dtype, device=scales.device)
    padded[:rows] = scales
    return padded.reshape(-1, 4, 32, columns // 4, 4).permute(0, 3, 2, 1, 4).contiguous()


def untiled(tiles: torch.Tensor, rows: int) -> torch.Tensor:
    """The scales [rows, columns] that ``tiled`` made ``tiles`` of."""
    return tiles.permute(0, 3, 2, 1, 4).reshape(-1, 4 * tiles.shape[1])[:rows]


def decoded_tiled(packed: torch.Tensor, tiles: torch.Tensor) -> torch.Tensor:
    """fp32 [rows, k] of uint8 [rows, k / 2] and its scales in tiles."""
    return decoded(packed, untiled(tiles, packed.shape[0]))
