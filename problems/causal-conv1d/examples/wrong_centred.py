# expect: wrong_answer
"""Looks ahead as far as it looks back."""

from torch.nn.functional import conv1d, pad

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    channels, taps = weight.shape
    padded = pad(x, (taps // 2, taps - 1 - taps // 2))
    return out.copy_(conv1d(padded, weight.unsqueeze(1), bias, groups=channels))
