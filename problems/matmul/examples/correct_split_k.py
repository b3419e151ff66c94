# expect: passed
"""Correct: the sum over k in four parts, each in fp32, added at the end. Another order of summation."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, _ = data
    parts = zip(a.float().tensor_split(4, dim=1), b.float().tensor_split(4, dim=0))
    return torch.stack([left @ right for left, right in parts]).sum(dim=0).half()
