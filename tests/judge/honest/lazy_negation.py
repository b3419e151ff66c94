# expect: passed
# A tensor with torch's own negation bit, which is resolved when it is copied.
import torch


def custom_kernel(data):
    a, b, out = data
    return torch._neg_view(-(a + b))
