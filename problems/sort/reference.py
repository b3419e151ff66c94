"""Sort: inputs and the expected output."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer
FEW = 100  # different keys, where there are to be few


def generate_input(
    *, seed: int, device: str, size: int, keys: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 [size] of finite values of both signs and an output buffer of the same shape.

    ``few`` draws from FEW random values, so that a sort that loses one of two equal keys is found.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    if keys == "few":
        table = torch.randn(FEW, generator=source, device=device)
        values = table[torch.randint(0, FEW, (size,), generator=source, device=device)]
    else:
        values = torch.randn(size, generator=source, device=device)
        values = values + 0.0  # -0.0 becomes 0.0: their order among themselves is nobody's to say
    if keys in ("ordered", "reversed"):
        values = values.sort(descending=keys == "reversed").values
    return values, torch.empty_like(values)


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The values in ascending order."""
    return data[0].sort().values
