"""Matrix multiplication: inputs and the expected output."""

from __future__ import annotations

import math

import torch
from fp32 import product

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *, seed: int, device: str, m: int, n: int, k: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """a [m, k] of N(0, 1) values, b [k, n] of N(0, 1/k) values and an output buffer [m, n], all fp16.

    Values of both signs without a mean: with uniform [0, 1) data the product is k/4 almost
    everywhere and a rank-one guess is nearly right. The factor 1/sqrt(k) in b keeps the output at
    N(0, 1), so that one absolute tolerance means the same for every k.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    a = torch.randn((m, k), generator=source, dtype=torch.float32, device=device)
    b = torch.randn((k, n), generator=source, dtype=torch.float32, device=device)
    out = torch.empty((m, n), dtype=torch.float16, device=device)
    return a.half(), (b / math.sqrt(k)).half(), out


def reference(data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """a @ b summed in fp32 and rounded once."""
    a, b, _ = data
    return product(a.float(), b.float()).half()
