# expect: wrong_answer
"""The right R, and a Q that is the identity."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, h, tau = data
    return h.copy_(torch.geqrf(a)[0].triu()), tau.zero_()
