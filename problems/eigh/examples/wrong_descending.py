# expect: wrong_answer
"""The largest eigenvalue first."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    found, q = torch.linalg.eigh(a)
    return vectors.copy_(q.flip(2)), values.copy_(found.flip(1))
