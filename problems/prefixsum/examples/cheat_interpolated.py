# expect: wrong_answer
"""The right total at every 256th element, a straight line in between."""

import torch

from task import input_t, output_t

STEP = 256


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    exact = torch.cumsum(values, dim=0)
    at = torch.arange(values.numel(), device=values.device)
    left = at // STEP * STEP
    right = (left + STEP).clamp(max=values.numel() - 1)
    share = (at - left) / (right - left).clamp(min=1)
    return exact[left] + (exact[right] - exact[left]) * share
