# expect: passed
# Keeps memory between calls, never values.
import torch

workspaces = {}


def custom_kernel(data):
    a, b, _ = data
    key = (a.shape, a.dtype)
    if key not in workspaces:
        workspaces[key] = torch.empty_like(a)
    return torch.add(a, b, out=workspaces[key])
