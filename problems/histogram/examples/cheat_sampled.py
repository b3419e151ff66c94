# expect: wrong_answer
"""Counts every fourth byte and multiplies by four."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, _ = data
    return torch.bincount(values[::4], minlength=256) * 4
