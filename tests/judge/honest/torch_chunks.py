# expect: passed
import torch


def custom_kernel(data):
    a, b, out = data
    for x, y, z in zip(a.chunk(7), b.chunk(7), out.chunk(7)):
        torch.add(x, y, out=z)
    return out
