# expect: wrong_answer
"""Multiplies bf16 inputs, which the tensor cores do at twice the speed."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, _ = data
    return torch.nn.functional.conv2d(x.bfloat16().float(), weight.bfloat16().float())
