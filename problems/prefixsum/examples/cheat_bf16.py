# expect: wrong_answer
"""Drops half of each value's bits first."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    return torch.cumsum(values.bfloat16().float(), dim=0, out=out)
