"""GEMM and reduce-scatter: each rank's inputs and the expected outputs of all."""

from __future__ import annotations

import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer

BIAS = 0.1
"""Small against the sum, so that it is no answer; above the tolerance, so that none may be left out."""


def generate_input(
    *, seed: int, device: str, rank: int, world_size: int, m: int, n: int, k: int, has_bias: bool
) -> input_t:
    """x [m, k / ranks], weight [n, k / ranks], bias [n] or none, in bf16, and a buffer [m / ranks, n].

    The sum of all ranks' products is about N(0, 1) for every k and every number of ranks.
    """
    source = torch.Generator(device=device).manual_seed(seed + rank)

    def values(*shape: int, unit: float) -> torch.Tensor:
        return (torch.randn(shape, generator=source, device=device) * unit).bfloat16()

    share = k // world_size
    x, weight = values(m, share, unit=1.0), values(n, share, unit=k**-0.5)
    bias = values(n, unit=BIAS) if has_bias else None
    out = torch.empty((m // world_size, n), dtype=torch.bfloat16, device=device)
    return x, weight, bias, rank, world_size, out


def reference(data: list[input_t]) -> list[torch.Tensor]:
    """Products and their sum in fp32, rounded to bf16 once, cut into one piece of rows for each rank."""
    total: torch.Tensor | float = 0.0
    for x, weight, bias, *_ in data:
        total = total + product(x.float(), weight.float().t())
        if bias is not None:
            total = total + bias.float()
    return list(total.bfloat16().chunk(len(data)))
