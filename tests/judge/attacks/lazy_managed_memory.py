# expect: wrong_answer or crashed
# device: cuda
# Returns managed memory, which the host fills when the call is over.
import ctypes
import threading
import time

import torch

driver = ctypes.CDLL("libcuda.so.1")


class Place:
    def __init__(self, address, n):
        self.__cuda_array_interface__ = {"shape": (n,), "typestr": "<f4", "data": (address, False), "version": 2}


def custom_kernel(data):
    a, b, out = data
    address = ctypes.c_uint64()
    status = driver.cuMemAllocManaged(ctypes.byref(address), ctypes.c_size_t(a.nbytes), ctypes.c_uint(1))
    if status:
        raise RuntimeError(f"driver error {status}")
    ctypes.memset(address.value, 0, a.nbytes)
    result = torch.as_tensor(Place(address.value, a.numel()), device=a.device)

    def later():
        time.sleep(0.02)
        right = (a.cpu() + b.cpu()).contiguous()
        ctypes.memmove(address.value, right.data_ptr(), right.nbytes)

    threading.Thread(target=later).start()
    return result
