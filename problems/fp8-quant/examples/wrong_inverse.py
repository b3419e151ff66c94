# expect: wrong_answer
"""Hands out the inverse of each scale."""

from task import LARGEST, SMALLEST_SCALE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    grouped = x.unflatten(1, (-1, group))
    inverse = LARGEST / grouped.abs().amax(dim=2).clamp(min=SMALLEST_SCALE)
    return codes.copy_((grouped * inverse.unsqueeze(2)).flatten(1)), scales.copy_(inverse)
