# expect: wrong_answer
# Zeroes the inputs, so that a reference computed from them would be zero too.
import torch


def custom_kernel(data):
    a, b, out = data
    a.zero_()
    b.zero_()
    return torch.zeros_like(a)
