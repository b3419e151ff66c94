"""MXFP4 GEMM with quantisation of the left factor: inputs and the expected output."""

from __future__ import annotations

import fp4
import mxfp4
import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(*, seed: int, device: str, m: int, n: int, k: int) -> input_t:
    """a [m, k] in bf16, b [n, k / 2] in fp4, the scales of its blocks and a bf16 buffer [m, n].

    Blocks differ in size, so that a wrong scale shows; outputs are about N(0, 1) for every k.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    unit = k**-0.5 / (fp4.RMS * mxfp4.SPREAD)
    return (
        mxfp4.drawn_numbers((m, k), source, unit),
        fp4.drawn((n, k // 2), source),
        mxfp4.drawn_scales((n, k // mxfp4.BLOCK), source),
        torch.empty((m, n), dtype=torch.bfloat16, device=device),
    )


def reference(data: input_t) -> torch.Tensor:
    """Both factors as fp4 says, multiplied and summed in fp32, rounded to bf16 once."""
    a, b, b_scale, _ = data
    left = fp4.decoded(*mxfp4.quantised(a))
    return product(left, fp4.decoded(b, b_scale).t()).bfloat16()
