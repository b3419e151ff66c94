# expect: wrong_answer
"""Sorts the bits as they are, which turns the order of negative numbers around."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    out.copy_(torch.sort(values.view(torch.int32)).values.view(torch.float32))
    return out
