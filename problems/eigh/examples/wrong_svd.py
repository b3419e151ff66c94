# expect: wrong_answer
"""Singular values: those of negative eigenvalues come out positive."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    q, found, _ = torch.linalg.svd(a)
    return vectors.copy_(q.flip(2)), values.copy_(found.flip(1))
