"""Grayscale: inputs and the expected output."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer
WEIGHTS = (0.2989, 0.5870, 0.1140)  # of red, green and blue


def generate_input(
    *, seed: int, device: str, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """An fp32 image [height, width, 3] of values in [0, 1) and an fp32 buffer [height, width].

    The channels are independent: in a photograph they are nearly equal, and any one of them would be
    nearly the answer.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    shape = (height, width, 3)
    image = torch.rand(shape, generator=source, dtype=torch.float32, device=device)
    return image, torch.empty((height, width), dtype=torch.float32, device=device)


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The weighted sum in fp64, rounded once."""
    image, _ = data
    red, green, blue = image.unbind(dim=2)
    gray = red.double() * WEIGHTS[0]
    gray += green.double() * WEIGHTS[1]
    gray += blue.double() * WEIGHTS[2]
    return gray.float()
