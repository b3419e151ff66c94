"""Batched NVFP4 matrix-vector product: inputs and the expected output."""

from __future__ import annotations

import fp4
import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer
BLOCK = 16


def generate_input(*, seed: int, device: str, m: int, k: int, l: int) -> input_t:  # noqa: E741
    """a [l, m, k / 2], b [l, k / 2], the scales of their blocks and an fp16 buffer [l, m].

    All sixteen numbers and all mantissas of scales occur, and outputs are about N(0, 1.3^2) for every k.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    unit = fp4.unit_scale(k)
    return (
        fp4.drawn((l, m, k // 2), source),
        fp4.drawn((l, k // 2), source),
        fp4.drawn_scales((l, m, k // BLOCK), source, unit),
        fp4.drawn_scales((l, k // BLOCK), source, unit),
        torch.empty((l, m), dtype=torch.float16, device=device),
    )


def reference(data: input_t) -> torch.Tensor:
    """The scaled numbers, multiplied and summed in fp32, rounded to fp16 once."""
    a, b, a_scale, b_scale, _ = data
    matrix, vector = fp4.decoded(a, a_scale), fp4.decoded(b, b_scale)
    return product(matrix, vector.unsqueeze(2)).squeeze(2).half()
