# expect: passed
"""Correct, another way: of the matrix with rows and columns in reverse, whose vectors are the same, upside down."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    found, q = torch.linalg.eigh(a.flip(1, 2).double())
    return vectors.copy_(-q.flip(1)), values.copy_(found)
