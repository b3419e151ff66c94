"""Vector addition: inputs and the expected output."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *, seed: int, device: str, size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two fp16 matrices [size, size] of N(0, 1) values and an output buffer of the same shape."""
    source = torch.Generator(device=device).manual_seed(seed)
    shape = (size, size)
    a = torch.randn(shape, generator=source, dtype=torch.float16, device=device)
    b = torch.randn(shape, generator=source, dtype=torch.float16, device=device)
    return a, b, torch.empty(shape, dtype=torch.float16, device=device)


def reference(data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """a + b, correctly rounded."""
    a, b, _ = data
    return a + b
