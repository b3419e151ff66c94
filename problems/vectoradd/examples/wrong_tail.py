# expect: wrong_answer
"""Right for whole blocks only: what is left over at the end is never written."""

import torch

from task import input_t, output_t

BLOCK = 1024


def custom_kernel(data: input_t) -> output_t:
    a, b, out = (tensor.view(-1) for tensor in data)
    whole = a.numel() // BLOCK * BLOCK
    torch.add(a[:whole], b[:whole], out=out[:whole])
    return data[2]
