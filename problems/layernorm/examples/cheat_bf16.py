# expect: wrong_answer
"""Does everything in bf16, where the mean is off by a few hundredths of the spread."""

from task import EPS, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    centred = x - x.mean(dim=1, keepdim=True)
    scale = (centred.square().mean(dim=1, keepdim=True) + EPS).rsqrt()
    return out.copy_(centred * scale * weight.bfloat16() + bias.bfloat16())
