# expect: wrong_answer
"""Sums half of the channels, made as long as the whole sum: right on average only."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, _ = data
    half = x.shape[1] // 2
    return torch.nn.functional.conv2d(x[:, :half], weight[:, :half].contiguous()) * 2**0.5
