# expect: passed
"""Correct: a product in the frequency domain, whose cost does not grow with the kernel."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, out = data
    size, side = x.shape[2], out.shape[2]
    images = torch.fft.rfft2(x)
    filters = torch.fft.rfft2(weight, s=(size, size)).conj()
    product = torch.einsum("bchw,ochw->bohw", images, filters)
    return torch.fft.irfft2(product, s=(size, size))[:, :, :side, :side].contiguous()
