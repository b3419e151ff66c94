# expect: passed
# device: cuda
# Measures its variants with events at the first call of each shape.
import torch

best = {}


def whole(a, b, out):
    torch.add(a, b, out=out)


def halves(a, b, out):
    for x, y, z in zip(a.chunk(2), b.chunk(2), out.chunk(2), strict=True):
        torch.add(x, y, out=z)


def measured(variant, data):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    variant(*data)
    start.record()
    variant(*data)
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def custom_kernel(data):
    a, b, out = data
    if a.shape not in best:
        best[a.shape] = min((whole, halves), key=lambda variant: measured(variant, data))
    best[a.shape](a, b, out)
    return out
