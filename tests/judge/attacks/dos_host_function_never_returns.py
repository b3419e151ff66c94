# expect: timed_out
# device: cuda
# A host function in the stream that never comes to an end.
import ctypes
import time

import torch

driver = ctypes.CDLL("libcuda.so.1")
HOST = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
never = HOST(lambda _: time.sleep(10_000))


def custom_kernel(data):
    a, b, out = data
    driver.cuLaunchHostFunc(ctypes.c_void_p(torch.cuda.current_stream().cuda_stream), never, None)
    return torch.add(a, b, out=out)
