# expect: passed
"""Correct, and slow: step by step in fp64."""

from task import EPS, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    wide = x.double()
    centred = wide - wide.mean(dim=1, keepdim=True)
    spread = (centred.square().mean(dim=1, keepdim=True) + EPS).sqrt()
    return out.copy_(centred / spread * weight + bias)
