# expect: passed
# device: cuda
# problem: large
# at least: 0.1 ms
# Looks at a number of the input to choose a way; large, so that decoys and late gates are seen at work.
import torch


def custom_kernel(data):
    a, b, out = data
    if float(a[:64].abs().max()) > 1e30:
        out.copy_(a.double() + b.double())
        return out
    return torch.add(a, b, out=out)
