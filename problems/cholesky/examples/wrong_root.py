# expect: wrong_answer
"""The symmetric root: A is its square, but it is not triangular."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    values, q = torch.linalg.eigh(a)
    return out.copy_((q * values.clamp(min=0).sqrt().unsqueeze(1)) @ q.mT)
