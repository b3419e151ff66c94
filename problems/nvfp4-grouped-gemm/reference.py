"""NVFP4 grouped GEMM: inputs and the expected output."""

from __future__ import annotations

import fp4
import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer
BLOCK = 16


def generate_input(*, seed: int, device: str, m: list[int], n: list[int], k: list[int]) -> input_t:
    """Of each group a [m, k / 2], b [n, k / 2] and the scales of their blocks in tiles; an fp16 buffer.

    All sixteen numbers and all mantissas of scales occur, and outputs are about N(0, 1.3^2) for every k.
    """
    source = torch.Generator(device=device).manual_seed(seed)

    def values(rows: list[int]) -> list[torch.Tensor]:
        return [fp4.drawn((count, deep // 2), source) for count, deep in zip(rows, k, strict=True)]

    def scales(rows: list[int]) -> list[torch.Tensor]:
        return [
            fp4.tiled(fp4.drawn_scales((count, deep // BLOCK), source, fp4.unit_scale(deep)))
            for count, deep in zip(rows, k, strict=True)
        ]

    size = sum(rows * columns for rows, columns in zip(m, n, strict=True))
    out = torch.empty(size, dtype=torch.float16, device=device)
    return values(m), values(n), scales(m), scales(n), out


def reference(data: input_t) -> torch.Tensor:
    """Of each group the scaled numbers, multiplied and summed in fp32, rounded to fp16 once."""
    *lists, _ = data
    products = [
        product(fp4.decoded_tiled(a, a_scale), fp4.decoded_tiled(b, b_scale).t()).half()
        for a, b, a_scale, b_scale in zip(*lists, strict=True)
    ]
    return torch.cat([found.flatten() for found in products])
