"""Prefix sum: inputs and the expected output."""

from __future__ import annotations

import math

import torch

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(*, seed: int, device: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 [size] of N(0, 1/size) values and an output buffer of the same shape.

    Scaled, so that the last total is about N(0, 1) and one tolerance means the same for every size:
    with N(0, 1) values it would have to grow with the size, until it takes whole blocks left out.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    values = torch.randn(size, generator=source, dtype=torch.float32, device=device)
    return values.mul_(1 / math.sqrt(size)), torch.empty_like(values)


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The running total in fp64, each rounded once."""
    values, _ = data
    return torch.cumsum(values, dim=0, dtype=torch.float64).float()
