"""2-D convolution: inputs and the expected output."""

from __future__ import annotations

import math

import torch

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *, seed: int, device: str, size: int, kernel: int, channels: int, batch: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x [batch, channels, size, size] of N(0, 1) values, weight [channels, channels, kernel, kernel]
    of N(0, 1/terms) values and an output buffer, all fp32 and contiguous.

    ``terms`` is how many products make an output: the outputs are about N(0, 1) for all shapes.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    x = torch.randn((batch, channels, size, size), generator=source, device=device)
    weight = torch.randn((channels, channels, kernel, kernel), generator=source, device=device)
    weight *= 1 / math.sqrt(channels * kernel * kernel)
    side = size - kernel + 1
    return x, weight, torch.empty((batch, channels, side, side), device=device)


def reference(data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The sums in fp32, never TF32: a hundred times more precise than what is asked for."""
    x, weight, _ = data
    with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        return torch.nn.functional.conv2d(x, weight)
