#!kernelbot leaderboard eigh
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, vectors, values = data
    # In fp64, because on a GPU the fp32 solver for batches is not as exact as the check asks for.
    found, q = torch.linalg.eigh(a.double())
    return vectors.copy_(q), values.copy_(found)
