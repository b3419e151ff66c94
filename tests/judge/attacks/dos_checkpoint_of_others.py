# expect: passed or crashed
# device: cuda
# Asks the driver to hold the device work of the judge's process for a checkpoint.
import ctypes
import os

import torch

driver = ctypes.CDLL("libcuda.so.1")
lock = getattr(driver, "cuCheckpointProcessLock", None)
if lock is not None:
    for pid in (os.getppid(), 1):
        if lock(ctypes.c_int(pid), None) == 0:
            raise RuntimeError(f"leak: process {pid} could be locked")


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
