# expect: passed
"""The library's own count."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, _ = data
    return torch.bincount(values, minlength=256)
