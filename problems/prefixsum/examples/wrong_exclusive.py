# expect: wrong_answer
"""Leaves out each element's own value."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    torch.cumsum(values, dim=0, out=out)
    return out.sub_(values)
