# expect: passed
# device: cuda
# Through pinned host memory and back, asynchronously but in order.
import torch

host = {}


def custom_kernel(data):
    a, b, out = data
    staged = host.setdefault(a.shape, torch.empty(a.shape, dtype=a.dtype, pin_memory=True))
    staged.copy_(a, non_blocking=True)
    out.copy_(staged, non_blocking=True)
    out.add_(b)
    return out
