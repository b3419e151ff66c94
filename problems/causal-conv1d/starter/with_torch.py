#!kernelbot leaderboard causal-conv1d
import torch
from torch.nn.functional import conv1d, pad

from task import input_t, output_t


# cuDNN would use TF32, which is not exact enough here.
torch.backends.cudnn.allow_tf32 = False


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    channels, taps = weight.shape
    padded = pad(x, (taps - 1, 0))
    return out.copy_(conv1d(padded, weight.unsqueeze(1), bias, groups=channels))
