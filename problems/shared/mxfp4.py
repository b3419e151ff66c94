"""From numbers to MXFP4: e2m1 with a power of two for every 32. Back again: fp4.decoded."""

from __future__ import annotations

import torch

BLOCK = 32
HALFWAY = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)
"""Between the magnitudes of e2m1. What lies there goes to the even one: down, up, down ..."""

SPREAD = (1.75 * 1.3526) ** 0.5
"""How much larger products are for scales of 1/2, 1 and 2 and for blocks of 1/2 to 2 times the size."""


def quantised(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 [..., k / 2] and float8_e8m0fnu [..., k / 32] of finite numbers [..., k]."""
    scales = scales_for(x)
    return packed(x, scales), scales


def scales_for(x: torch.Tensor) -> torch.Tensor:
    """Such that the largest number of a block is 3.5 to 7 times its scale."""
    largest = x.float().unflatten(-1, (-1, BLOCK)).abs().amax(dim=-1)
    # The exponent, one higher from 1.75 times a power of two on; 4 and 6 have an exponent of two.
    exponents = (largest.view(torch.int32) + 0x200000) >> 23
    return (exponents - 2).clamp(min=1).to(torch.uint8).view(torch.float8_e8m0fnu)


def packed(x: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """The nearest e2m1 numbers to x / scales, halves to the even one, beyond 6 to 6."""
    scaled = x.float().unflatten(-1, (-1, BLOCK)) / scales.float().unsqueeze(-1)
    limits = torch.tensor(HALFWAY, device=x.device)
    limits[1::2] = limits[1::2].nextafter(limits.new_zeros(()))
    codes = torch.bucketize(scaled.abs(), limits) + 8 * (scaled < 0)
    low, high = codes.to(torch.uint8).flatten(-2).unflatten(-1, (-1, 2)).unbind(-1)
    return low | high << 4


def drawn_scales(
    shape: tuple[int, ...], source: torch.Generator, exponent: int = 0
) -> torch.Tensor:
    """e8m0 scales of half, once and twice 2^exponent."""
    low, device = 126 + exponent, source.device
    drawn = torch.randint(low, low + 3, shape, generator=source, device=device, dtype=torch.uint8)
    return drawn.view(torch.float8_e8m0fnu)


def drawn_numbers(shape: tuple[int, ...], source: torch.Generator, unit: float) -> torch.Tensor:
    """bf16 numbers about N(0, unit^2), blocks of which are up to twice or down to half as large."""
    numbers = torch.randn(shape, generator=source, device=source.device)
    blocks = (*shape[:-1], shape[-1] // BLOCK, 1)
    sizes = 2 * torch.rand(blocks, generator=source, device=source.device) - 1
    return (unit * numbers.unflatten(-1, (-1, BLOCK)) * 2**sizes).flatten(-2).bfloat16()
