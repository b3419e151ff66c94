# expect: wrong_answer
"""Sorts the diagonal, which is all there is to do where nothing lies beside it."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    found, order = a.diagonal(dim1=1, dim2=2).sort(dim=1)
    return vectors.copy_(torch.nn.functional.one_hot(order, a.shape[-1]).mT), values.copy_(found)
