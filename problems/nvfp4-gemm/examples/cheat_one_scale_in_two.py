# expect: wrong_answer
"""Reads every second scale and takes it for the next one too: fewer bytes, and right on average."""

import fp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    left = fp4.decoded(a, fp4.untiled(a_scale, len(a))[:, ::2])
    right = fp4.decoded(b, fp4.untiled(b_scale, len(b))[:, ::2])
    return out.copy_(left @ right.t())
