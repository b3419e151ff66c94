# expect: wrong_answer
"""Leaves out the first tap."""

from torch.nn.functional import conv1d, pad

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    channels, taps = weight.shape
    padded = pad(x, (taps - 2, 0))
    return out.copy_(conv1d(padded, weight[:, 1:].unsqueeze(1), bias, groups=channels))
