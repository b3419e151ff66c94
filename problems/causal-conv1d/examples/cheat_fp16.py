# expect: wrong_answer
"""Converts to fp16: half of the bytes for whoever reads a value several times."""

from torch.nn.functional import conv1d, pad

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    channels, taps = weight.shape
    padded = pad(x.half(), (taps - 1, 0)).float()
    return out.copy_(conv1d(padded, weight.half().float().unsqueeze(1), bias, groups=channels))
