# expect: wrong_answer
"""Cuts the digits off in place of rounding."""

import torch

from task import LARGEST, SMALLEST_SCALE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    grouped = x.unflatten(1, (-1, group))
    scales.copy_((grouped.abs().amax(dim=2) / LARGEST).clamp(min=SMALLEST_SCALE))
    scaled = (grouped / scales.unsqueeze(2)).clamp(-LARGEST, LARGEST).flatten(1).contiguous()
    cut = (scaled.view(torch.int32) & ~((1 << 20) - 1)).view(torch.float32)
    return codes.copy_(cut), scales
