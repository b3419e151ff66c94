# expect: passed
"""Correct, and as fast as one call can be: straight into the given buffer."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    return torch.add(a, b, out=out)
