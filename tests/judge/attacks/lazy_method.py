# expect: passed
# at least: 15 ms
# A plain tensor whose own attributes shadow its methods.
import time

import torch


def custom_kernel(data):
    a, b, out = data
    result = torch.empty_like(a)

    def detach():
        time.sleep(0.02)
        return a + b

    result.detach = detach
    return result
