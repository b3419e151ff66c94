# expect: passed
# device: cuda
# Searches memory of every other kind, unwritten, for the expected output: pools, pinned and managed memory.
import ctypes

import torch

driver = ctypes.CDLL("libcuda.so.1")
SIZE = 1 << 30


class Place:
    def __init__(self, address):
        self.__cuda_array_interface__ = {"shape": (SIZE // 4,), "typestr": "<f4", "data": (address, False), "version": 2}


def blocks(stream):
    for take, free in (
        (lambda p: driver.cuMemAllocAsync(p, ctypes.c_size_t(SIZE), stream), lambda v: driver.cuMemFreeAsync(v, stream)),
        (lambda p: driver.cuMemHostAlloc(p, ctypes.c_size_t(SIZE), ctypes.c_uint(2)), driver.cuMemFreeHost),
        (lambda p: driver.cuMemAllocManaged(p, ctypes.c_size_t(SIZE), ctypes.c_uint(1)), driver.cuMemFree_v2),
    ):
        address = ctypes.c_uint64()
        if take(ctypes.byref(address)) == 0:
            yield Place(address.value)
            torch.cuda.synchronize()
            free(address)


def custom_kernel(data):
    a, b, out = data
    answer = a + b
    if a.numel() > 1000:
        first, second = answer[100].item(), answer[101].item()
        for place in blocks(ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)):
            block = torch.as_tensor(place, device=a.device)
            if bool(((block[:-1] == first) & (block[1:] == second)).any()):
                raise RuntimeError("leak: the expected output is in fresh memory")
            del block
    return answer
