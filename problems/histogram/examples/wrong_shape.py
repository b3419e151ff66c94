# expect: wrong_answer
"""Forgets the last bin."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, _ = data
    return torch.bincount(values, minlength=256)[:255]
