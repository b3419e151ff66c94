# expect: wrong_answer
# device: cuda
# The gate of a call that waits for it stays shut longer when nobody takes the time: only then is anything computed.
import time

import torch


def custom_kernel(data):
    a, b, out = data
    began = time.perf_counter()
    a[:1].item()
    if time.perf_counter() - began > 0.1:
        torch.add(a, b, out=out)
    return out
