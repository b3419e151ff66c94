"""NVFP4 gated dual GEMM: inputs and the expected output."""

from __future__ import annotations

import fp4
import torch
from fp32 import product
from task import input_t
from torch.nn.functional import silu

OUTPUTS = 1  # the last entry of data is the output buffer
BLOCK = 16


def generate_input(*, seed: int, device: str, m: int, n: int, k: int) -> input_t:
    """a [m, k / 2], b1 and b2 [n, k / 2], the scales of their blocks in tiles, an fp16 buffer [m, n].

    All sixteen numbers and all mantissas of scales occur, and both products are about N(0, 1.3^2) for
    every k: the gate is neither shut nor wide open.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    unit = fp4.unit_scale(k)
    rows = (m, n, n)
    return (
        *(fp4.drawn((count, k // 2), source) for count in rows),
        *(fp4.tiled(fp4.drawn_scales((count, k // BLOCK), source, unit)) for count in rows),
        torch.empty((m, n), dtype=torch.float16, device=device),
    )


def reference(data: input_t) -> torch.Tensor:
    """Products and gate in fp32, rounded to fp16 once."""
    a, b1, b2, a_scale, b1_scale, b2_scale, _ = data
    left = fp4.decoded_tiled(a, a_scale)
    gate = product(left, fp4.decoded_tiled(b1, b1_scale).t())
    return (silu(gate) * product(left, fp4.decoded_tiled(b2, b2_scale).t())).half()
