# expect: passed
"""Correct, and slow: through logarithms, in fp64."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    wide = x.double()
    return out.copy_((wide - torch.logsumexp(wide, dim=1, keepdim=True)).exp())
