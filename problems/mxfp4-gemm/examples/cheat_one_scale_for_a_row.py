# expect: wrong_answer
"""Quantises each row of a with one scale, which needs no maximum of every block."""

import fp4
import mxfp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, b_scale, out = data
    largest = a.abs().amax(dim=1, keepdim=True)
    scales = mxfp4.scales_for(largest.expand(-1, 32)).expand(-1, b_scale.shape[1])
    left = fp4.decoded(mxfp4.packed(a, scales), scales)
    return out.copy_(left @ fp4.decoded(b, b_scale).t())
