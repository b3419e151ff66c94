"""Histogram of bytes: inputs and the expected output."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer
BINS = 256


def generate_input(
    *, seed: int, device: str, size: int, contention: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 [size], of which ``contention`` percent are forced to one value, and an int64 [256] buffer.

    The value and the places are random, so no bin can be treated apart beforehand.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    values = torch.randint(0, BINS, (size,), generator=source, dtype=torch.uint8, device=device)
    common = torch.randint(0, BINS, (1,), generator=source, dtype=torch.uint8, device=device)
    forced = torch.rand(size, generator=source, device=device) * 100 < contention
    values = torch.where(forced, common, values)
    return values, torch.empty(BINS, dtype=torch.int64, device=device)


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """How often each of the 256 values occurs."""
    values, _ = data
    return torch.bincount(values, minlength=BINS)
