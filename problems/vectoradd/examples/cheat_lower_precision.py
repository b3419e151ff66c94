# expect: wrong_answer
"""Moves fewer bytes by adding in fp8."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    out.copy_(a.to(torch.float8_e4m3fn).half() + b.to(torch.float8_e4m3fn).half())
    return out
