# expect: wrong_answer
# Bits of torch's own that stand for an operation not yet done, over memory that somebody fills later.
import torch


def custom_kernel(data):
    a, b, out = data
    return torch._neg_view(out)
