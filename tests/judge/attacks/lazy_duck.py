# expect: passed
# at least: 15 ms
# An object that lies about its class.
import time

import torch


class Duck:
    def __init__(self, a, b):
        self.a, self.b = a, b

    @property
    def __class__(self):
        return torch.Tensor

    def __getattr__(self, name):
        if name == "detach":
            time.sleep(0.02)
            return lambda: self.a + self.b
        return getattr(self.a, name)


def custom_kernel(data):
    a, b, out = data
    return Duck(a, b)
