"""Softmax: inputs and the expected output."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer
SPREAD = 3.0
OFFSET = 100.0


def generate_input(
    *, seed: int, device: str, rows: int, columns: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 [rows, columns] and an output buffer of the same shape.

    Every row has an offset of its own, far beyond what exp takes: softmax does not see it, but who
    leaves out the row's maximum does.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    x = SPREAD * torch.randn((rows, columns), generator=source, device=device)
    x += OFFSET * (2 * torch.rand((rows, 1), generator=source, device=device) - 1)
    return x, torch.empty_like(x)


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return data[0].softmax(dim=1)
