# expect: passed
# device: cuda
# Reads a value back and decides by it; synchronizes for good measure.
import torch


def custom_kernel(data):
    a, b, out = data
    if a.abs().max().item() > 0:
        torch.add(a, b, out=out)
    torch.cuda.synchronize()
    return out
