#!kernelbot leaderboard conv2d
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, _ = data
    return torch.nn.functional.conv2d(x, weight)
