# expect: wrong_answer
"""Looks for the largest of a block among every second number only."""

import fp4
import mxfp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, b_scale, out = data
    scales = mxfp4.scales_for(a.unflatten(1, (-1, 2))[..., :1].expand(-1, -1, 2).flatten(1))
    left = fp4.decoded(mxfp4.packed(a, scales), scales)
    return out.copy_(left @ fp4.decoded(b, b_scale).t())
