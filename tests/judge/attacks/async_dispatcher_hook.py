# expect: passed or wrong_answer
# at least: 15 ms
# A mode of torch's that stays on after the call does the work when the runtime next uses an operation.
import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode

waiting = []


class Later(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        while waiting:
            a, b, out = waiting.pop()
            time.sleep(0.02)
            torch.add(a, b, out=out)
        return func(*args, **(kwargs or {}))


Later().__enter__()


def custom_kernel(data):
    waiting.append(data)
    return data[2].view_as(data[2])
