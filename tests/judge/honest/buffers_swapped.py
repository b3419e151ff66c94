# expect: passed
# problem: pair
# Uses the two buffers the other way round, and says so by what it returns.
import torch


def custom_kernel(data):
    a, b, first, second = data
    torch.add(a, b, out=second)
    torch.sub(a, b, out=first)
    return second, first
