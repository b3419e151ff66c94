# expect: passed
# at least: 15 ms
# A tensor that computes when it is read: it is read inside the interval.
import time

import torch


class Lazy(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            if function.__name__ == "detach":
                time.sleep(0.02)
                a, b = args[0].operands
                return a + b
            return function(*args, **(kwargs or {}))


def custom_kernel(data):
    a, b, out = data
    lazy = torch.empty_like(a).as_subclass(Lazy)
    lazy.operands = (a, b)
    return lazy
