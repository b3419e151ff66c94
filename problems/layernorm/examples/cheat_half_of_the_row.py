# expect: wrong_answer
"""Takes mean and spread from every other value."""

from task import EPS, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    some = x[:, ::2].float()
    mean = some.mean(dim=1, keepdim=True)
    scale = ((some - mean).square().mean(dim=1, keepdim=True) + EPS).rsqrt()
    return out.copy_((x.float() - mean) * scale * weight + bias)
