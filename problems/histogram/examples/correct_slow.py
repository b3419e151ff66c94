# expect: passed
"""Correct, and slow: sorts all bytes to see where each value begins and ends."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    ordered = torch.sort(values).values
    bins = torch.arange(256, dtype=torch.uint8, device=values.device)
    begin = torch.searchsorted(ordered, bins)
    end = torch.searchsorted(ordered, bins, right=True)
    return torch.sub(end, begin, out=out)
