# expect: passed or out_of_memory or crashed
# device: cuda
# Gives every thread of the device a stack of a quarter of a megabyte, which takes tens of gigabytes.
import ctypes

import torch

driver = ctypes.CDLL("libcuda.so.1")
status = driver.cuCtxSetLimit(ctypes.c_int(0), ctypes.c_size_t(256 << 10))
if status:
    raise RuntimeError(f"driver error {status}")


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
