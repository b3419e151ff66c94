# expect: wrong_answer
"""Eigenvectors in the rows."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    found, q = torch.linalg.eigh(a)
    return vectors.copy_(q.mT), values.copy_(found)
