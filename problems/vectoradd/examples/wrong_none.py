# expect: wrong_answer
"""Fills the buffer and forgets to return it."""

import torch

from task import input_t


def custom_kernel(data: input_t):
    a, b, out = data
    torch.add(a, b, out=out)
