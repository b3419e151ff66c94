# expect: passed or quarantined
# device: cuda
# at least: 15 ms
# Sets part of the cache aside for good, where a flush by writing does not reach.
import ctypes

import torch

torch.zeros(1, device="cuda")
driver = ctypes.CDLL("libcuda.so.1")
driver.cuCtxSetLimit(6, ctypes.c_size_t(1 << 30))


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
