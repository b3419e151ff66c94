# expect: crashed or wrong_answer
# device: cuda
# Unmaps the memory that it shares with the referee when the answer is in it.
import ctypes
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
driver = ctypes.CDLL("libcuda.so.1")


def custom_kernel(data):
    a, b, out = data
    torch.add(a, b, out=out)
    torch.cuda.synchronize()
    for memory in [o for o in gc.get_objects() if type(o).__name__ == "DeviceMemory"]:
        driver.cuMemUnmap(ctypes.c_uint64(memory.address), ctypes.c_size_t(memory.size))
    return out
