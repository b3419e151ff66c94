# expect: wrong_answer
# Eight bits of mantissa where twenty-four were asked for.
import torch


def custom_kernel(data):
    a, b, out = data
    return (a.to(torch.bfloat16) + b.to(torch.bfloat16)).to(torch.float32)
