#!kernelbot leaderboard cholesky
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    torch.linalg.cholesky(a, out=out)
    return out
