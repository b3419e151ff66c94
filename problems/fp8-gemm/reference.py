"""Block-scaled fp8 GEMM: inputs and the expected output."""

from __future__ import annotations

import math

import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer
BLOCK = 128


def generate_input(*, seed: int, device: str, m: int, n: int, k: int) -> input_t:
    """a [m, k] and b [n, k] in e4m3fn, their scales in fp32, and a bf16 buffer [m, n].

    The values are about N(0, 1); the scales differ by a factor of up to 4 from block to block, so
    that a wrong one shows, and keep the output at about N(0, 1) for every k.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    unit = k**-0.25

    def values(rows: int) -> torch.Tensor:
        drawn = torch.randn((rows, k), generator=source, device=device)
        return drawn.to(torch.float8_e4m3fn)

    def scales(rows: int) -> torch.Tensor:
        drawn = torch.rand((rows, k // BLOCK), generator=source, device=device)
        return unit * 2 ** (2 * drawn - 1)

    out = torch.empty((m, n), dtype=torch.bfloat16, device=device)
    return values(m), values(n), scales(m), scales(math.ceil(n / BLOCK)), out


def reference(data: input_t) -> torch.Tensor:
    """The scaled values multiplied and summed in fp32, rounded to bf16 once."""
    a, b, a_scale, b_scale, _ = data
    n = b.shape[0]
    left = a.float() * a_scale.repeat_interleave(BLOCK, dim=1)
    spread = b_scale.repeat_interleave(BLOCK, dim=0)[:n].repeat_interleave(BLOCK, dim=1)
    right = b.float() * spread
    return product(left, right.t()).bfloat16()
