# expect: wrong_answer
"""Counts on top of whatever is in the buffer."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    return out.add_(torch.bincount(values, minlength=256))
