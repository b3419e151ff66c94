# expect: wrong_answer
"""RMS normalisation: leaves the mean in."""

from task import EPS, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    wide = x.float()
    scale = (wide.square().mean(dim=1, keepdim=True) + EPS).rsqrt()
    return out.copy_(wide * scale * weight + bias)
