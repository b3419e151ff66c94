# expect: passed
"""Correct, and slow: one block of 128 columns after the other, each product scaled and added."""

from task import input_t, output_t

BLOCK = 128


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    total = out.float().zero_()
    for block in range(a.shape[1] // BLOCK):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        scale = b_scale[:, block].repeat_interleave(BLOCK)[: len(b)]
        total += (a[:, part].float() @ b[:, part].float().t()) * a_scale[:, block, None] * scale
    return out.copy_(total)
