# expect: passed
"""Correct, and slow: in fp64, and with the other sign of every vector."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    found, q = torch.linalg.eigh(a.double())
    return vectors.copy_(-q), values.copy_(found)
