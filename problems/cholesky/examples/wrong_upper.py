# expect: wrong_answer
"""The other factor."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    return out.copy_(torch.linalg.cholesky(a).mT)
