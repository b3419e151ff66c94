# expect: wrong_answer
"""Sorts fp16 keys, which takes half as many passes."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    out.copy_(torch.sort(values.half()).values)
    return out
