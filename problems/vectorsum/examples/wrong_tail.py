# expect: wrong_answer
"""Right for whole blocks only: what is left over at the end is never added."""

import torch

from task import input_t, output_t

BLOCK = 1024


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    whole = values.numel() // BLOCK * BLOCK
    return torch.sum(values[:whole], dim=0, keepdim=True, out=out)
