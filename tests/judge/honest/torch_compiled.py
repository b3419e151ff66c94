# expect: passed
# slow
# mode: test
# build seconds: 100
# check seconds: 400
# Compiles at the first call.
import torch


@torch.compile
def add(a, b):
    return a + b


def custom_kernel(data):
    a, b, out = data
    out.copy_(add(a, b))
    return out
