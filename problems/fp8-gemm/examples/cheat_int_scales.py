# expect: wrong_answer
"""Rounds the scales to powers of two, which can be added to the exponents."""

from task import input_t, output_t

BLOCK = 128


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    a_scale, b_scale = (scale.log2().round().exp2() for scale in (a_scale, b_scale))
    left = a.float() * a_scale.repeat_interleave(BLOCK, dim=1)
    right = b.float() * b_scale.repeat_interleave(BLOCK, dim=0)[: len(b)].repeat_interleave(BLOCK, dim=1)
    return out.copy_(left @ right.t())
