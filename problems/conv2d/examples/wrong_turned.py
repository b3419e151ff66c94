# expect: wrong_answer
"""Turns the kernel around, as a mathematician would."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, _ = data
    return torch.nn.functional.conv2d(x, weight.flip(2, 3).transpose(0, 1).contiguous())
