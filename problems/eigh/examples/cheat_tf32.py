# expect: wrong_answer
"""Rounds to the ten bits of TF32 first: right to three digits, which a wider check would not see."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    bits = a.view(torch.int32)
    rounded = (bits + 0x1000) & ~0x1FFF
    found, q = torch.linalg.eigh(rounded.view(torch.float32))
    return vectors.copy_(q), values.copy_(found)
