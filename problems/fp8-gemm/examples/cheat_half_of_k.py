# expect: wrong_answer
"""Sums every other column, made as long as the whole sum: right on average only."""

from task import input_t, output_t

BLOCK = 128


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    left = a.float() * a_scale.repeat_interleave(BLOCK, dim=1)
    right = b.float() * b_scale.repeat_interleave(BLOCK, dim=0)[: len(b)].repeat_interleave(BLOCK, dim=1)
    return out.copy_(left[:, ::2] @ right[:, ::2].t() * 2**0.5)
