# expect: passed
# slow
# mode: test
# build seconds: 100
# Compiles at the first call, which takes far longer than checking may.
import torch


@torch.compile
def add(a, b):
    return a + b


def custom_kernel(data):
    a, b, out = data
    out.copy_(add(a, b))
    return out
