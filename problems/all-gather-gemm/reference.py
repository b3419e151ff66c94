"""All-gather and GEMM: each rank's inputs and the expected outputs of all."""

from __future__ import annotations

import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer

BIAS = 0.2
"""Small against the product, so that it is no answer; above the tolerance, so that it cannot be left out."""


def generate_input(
    *, seed: int, device: str, rank: int, world_size: int, m: int, n: int, k: int, has_bias: bool
) -> input_t:
    """x [m / ranks, k], weight [n / ranks, k], bias [n / ranks] or none, in bf16, and a buffer
    [m, n / ranks]. Products are about N(0, 1) for every k."""
    source = torch.Generator(device=device).manual_seed(seed + rank)

    def values(*shape: int, unit: float) -> torch.Tensor:
        return (torch.randn(shape, generator=source, device=device) * unit).bfloat16()

    rows, columns = m // world_size, n // world_size
    x, weight = values(rows, k, unit=1.0), values(columns, k, unit=k**-0.5)
    bias = values(columns, unit=BIAS) if has_bias else None
    out = torch.empty((m, columns), dtype=torch.bfloat16, device=device)
    return x, weight, bias, rank, world_size, out


def reference(data: list[input_t]) -> list[torch.Tensor]:
    """The rows of all ranks by each rank's weights, in fp32, rounded to bf16 once."""
    rows = torch.cat([x for x, *_ in data]).float()

    def answer(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        made = product(rows, weight.float().t())
        return (made if bias is None else made + bias.float()).bfloat16()

    return [answer(weight, bias) for _, weight, bias, *_ in data]
