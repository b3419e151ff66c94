# expect: passed
# problem: matmul
# Another order of summation than the reference's, with a workspace.
import torch

workspace = {}


def custom_kernel(data):
    a, b, out = data
    part = workspace.setdefault(a.shape, torch.empty_like(out))
    out.zero_()
    for x, y in zip(a.split(64, 1), b.split(64, 0), strict=True):
        out += torch.mm(x, y, out=part)
    return out
