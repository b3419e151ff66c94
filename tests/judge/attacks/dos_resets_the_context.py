# expect: crashed or timed_out or wrong_answer
# device: cuda
# Resets the primary context, and all that the judge has in it, during a call.
import ctypes

import torch

driver = ctypes.CDLL("libcuda.so.1")
calls = 0


def custom_kernel(data):
    global calls
    a, b, out = data
    calls += 1
    torch.add(a, b, out=out)
    if calls == 3:
        driver.cuDevicePrimaryCtxReset_v2(0)
    return out
