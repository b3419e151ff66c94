# expect: passed
# at least: 15 ms
# A wrapper around no data that computes when an operation is dispatched to it.
import time

import torch


class Later(torch.Tensor):
    @staticmethod
    def __new__(cls, a, b):
        return torch.Tensor._make_wrapper_subclass(cls, a.shape, dtype=a.dtype, device=a.device)

    def __init__(self, a, b):
        self.parts = (a, b)

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        def real(value):
            if isinstance(value, Later):
                time.sleep(0.02)
                return value.parts[0] + value.parts[1]
            return value

        return function(*map(real, args), **(kwargs or {}))


def custom_kernel(data):
    a, b, out = data
    result = Later(a, b)
    result.data_ptr = lambda: 0
    return result
