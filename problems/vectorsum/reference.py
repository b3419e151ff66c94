"""Vector sum: inputs and the expected output."""

from __future__ import annotations

import math

import torch

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(*, seed: int, device: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 [size] of N(0, 1/size) values and an fp32 [1] buffer.

    Without a mean, so that half of the vector says nothing about the other half; with a mean, twice
    the sum of every other element would be nearly right. Scaled, so that the sum is about N(0, 1)
    and one tolerance means the same for every size.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    values = torch.randn(size, generator=source, dtype=torch.float32, device=device)
    out = torch.empty(1, dtype=torch.float32, device=device)
    return values.mul_(1 / math.sqrt(size)), out


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The sum in fp64, rounded once."""
    values, _ = data
    return values.sum(dtype=torch.float64).reshape(1).float()
