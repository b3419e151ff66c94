# expect: wrong_answer
"""Multiplies in fp8, which the tensor cores do at twice the speed."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    scale = b.shape[0] ** 0.5  # into the range where fp8 is most precise
    left = a.to(torch.float8_e4m3fn).float()
    right = (b.float() * scale).to(torch.float8_e4m3fn).float() / scale
    out.copy_(left @ right)
    return out
