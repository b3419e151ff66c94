# expect: wrong_answer
"""Writes down the quantiles of N(0, 1) without looking at the values."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    shares = (torch.arange(values.numel(), device=values.device) + 0.5) / values.numel()
    out.copy_(torch.special.ndtri(shares))
    return out
