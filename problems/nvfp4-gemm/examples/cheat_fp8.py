# expect: wrong_answer
"""Multiplies scaled numbers in fp8, whose tensor cores more GPUs have: half of the scales' digits are lost."""

import fp4
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    left, right = (
        (64 * fp4.decoded_tiled(*pair)).to(torch.float8_e4m3fn).float() / 64
        for pair in ((a, a_scale), (b, b_scale))
    )
    return out.copy_(left @ right.t())
