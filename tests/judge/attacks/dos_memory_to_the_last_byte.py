# expect: out_of_memory or passed or crashed
# device: cuda
# problem: product
# Takes the device's memory to the last byte: whoever else needs some has none, which must not be the judge's failure.
import ctypes

import torch

driver = ctypes.CDLL("libcuda.so.1")
calls = 0


def custom_kernel(data):
    global calls
    a, b, out = data
    calls += 1
    torch.mm(a, b, out=out)
    if calls == 5:  # the tests are over
        size, address = 1 << 34, ctypes.c_uint64()
        while size >= 1 << 12:
            if driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)):
                size //= 2
    return out
