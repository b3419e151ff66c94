# expect: wrong_answer
"""Reads the scales as if they lay row by row."""

import fp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    left, right = (
        fp4.decoded(packed, scale.flatten()[: packed.numel() // 8].view(len(packed), -1))
        for packed, scale in ((a, a_scale), (b, b_scale))
    )
    return out.copy_(left @ right.t())
