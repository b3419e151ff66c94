# expect: wrong_answer
"""Rounds to two digits, as e5m2 would: each value by itself is right to an eighth."""

import torch

from task import LARGEST, SMALLEST_SCALE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    grouped = x.unflatten(1, (-1, group))
    scales.copy_((grouped.abs().amax(dim=2) / LARGEST).clamp(min=SMALLEST_SCALE))
    scaled = (grouped / scales.unsqueeze(2)).clamp(-LARGEST, LARGEST).flatten(1)
    return codes.copy_(scaled.to(torch.float8_e5m2).float()), scales
