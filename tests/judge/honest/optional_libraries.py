# expect: passed
# Falls back when something faster is not installed.
import importlib.util

import torch

try:
    import cupy
except ImportError:
    cupy = None
HAVE_TRITON = importlib.util.find_spec("triton") is not None


def fast(a, b, out):
    if cupy is None or not a.is_cuda:
        raise RuntimeError("only where cupy is")
    cupy.add(cupy.from_dlpack(a), cupy.from_dlpack(b), out=cupy.from_dlpack(out))
    return out


def custom_kernel(data):
    a, b, out = data
    try:
        return fast(a, b, out)
    except RuntimeError:
        return torch.add(a, b, out=out)
