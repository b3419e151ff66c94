"""Causal depthwise convolution: inputs and the expected output."""

from __future__ import annotations

import torch
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(*, seed: int, device: str, b: int, d: int, s: int, w: int) -> input_t:
    """x, weight, bias and an output buffer; every tap counts as much as the others."""
    source = torch.Generator(device=device).manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source, device=device)

    x = normal(b, d, s)
    return x, normal(d, w) / w**0.5, normal(d), torch.empty_like(x)


def reference(data: input_t) -> torch.Tensor:
    """Tap by tap, in fp64 so that no order of the terms is the right one."""
    x, weight, bias, _ = data
    taps = weight.shape[1]
    total = bias.double()[:, None].expand(x.shape).clone()
    for tap in range(taps):
        back = taps - 1 - tap
        reach = x.shape[2] - back
        if reach > 0:
            total[:, :, back:] += weight[:, tap, None].double() * x[:, :, :reach]
    return total.to(x.dtype)
