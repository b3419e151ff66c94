"""NVFP4 GEMM: inputs and the expected output."""

from __future__ import annotations

import fp4
import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer
BLOCK = 16


def generate_input(*, seed: int, device: str, m: int, n: int, k: int) -> input_t:
    """a [m, k / 2], b [n, k / 2], the scales of their blocks in tiles and an fp16 buffer [m, n].

    All sixteen numbers and all mantissas of scales occur, and outputs are about N(0, 1.3^2) for every k.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    unit = fp4.unit_scale(k)
    return (
        fp4.drawn((m, k // 2), source),
        fp4.drawn((n, k // 2), source),
        fp4.tiled(fp4.drawn_scales((m, k // BLOCK), source, unit)),
        fp4.tiled(fp4.drawn_scales((n, k // BLOCK), source, unit)),
        torch.empty((m, n), dtype=torch.float16, device=device),
    )


def reference(data: input_t) -> torch.Tensor:
    """The scaled numbers, multiplied and summed in fp32, rounded to fp16 once."""
    a, b, a_scale, b_scale, _ = data
    left, right = fp4.decoded_tiled(a, a_scale), fp4.decoded_tiled(b, b_scale)
    return product(left, right.t()).half()
