# expect: wrong_answer
"""Multiplies scaled numbers in fp8, whose tensor cores more GPUs have: half of the scales' digits are lost."""

import fp4
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    *groups, out = data
    results = [coarse(a, a_scale) @ coarse(b, b_scale).t() for a, b, a_scale, b_scale in zip(*groups)]
    return out.copy_(torch.cat([result.flatten() for result in results]))


def coarse(packed, scales):
    return (64 * fp4.decoded_tiled(packed, scales)).to(torch.float8_e4m3fn).float() / 64
