# expect: wrong_answer
"""Takes the first scale of each row for the whole row."""

from task import input_t, output_t

BLOCK = 128


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    scale = b_scale[:, 0].repeat_interleave(BLOCK)[: len(b)]
    return out.copy_((a.float() @ b.float().t()) * a_scale[:, :1] * scale)
