# expect: passed
"""Correct, and slow: rounds by arithmetic in fp64, and multiplies by the inverse of the scale."""

import torch

from task import LARGEST, SMALLEST_SCALE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    grouped = x.unflatten(1, (-1, group)).double()
    scales.copy_((grouped.abs().amax(dim=2) / LARGEST).clamp(min=SMALLEST_SCALE))
    scaled = grouped * (1 / scales.double()).unsqueeze(2)
    apart = torch.exp2(scaled.abs().clamp(min=2**-6).log2().floor() - 3)
    rounded = (scaled / apart).round() * apart
    return codes.copy_(rounded.flatten(1).clamp(-LARGEST, LARGEST)), scales
