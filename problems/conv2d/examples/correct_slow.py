# expect: passed
"""Correct, and slow: one shifted image for each pixel of the kernel."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, out = data
    kernel, side = weight.shape[2], out.shape[2]
    out.zero_()
    for i in range(kernel):
        for j in range(kernel):
            shifted = x[:, :, i : i + side, j : j + side]
            out += torch.einsum("bchw,oc->bohw", shifted, weight[:, :, i, j])
    return out
