# expect: wrong_answer
"""Adds eps to the spread in place of its square."""

from task import EPS, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    wide = x.float()
    centred = wide - wide.mean(dim=1, keepdim=True)
    spread = centred.square().mean(dim=1, keepdim=True).sqrt() + EPS**0.5
    return out.copy_(centred / spread * weight + bias)
