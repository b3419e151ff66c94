# expect: passed
# Picks the faster of two variants by timing them itself.
import time

import torch

choice = {}


def plain(a, b, out):
    return torch.add(a, b, out=out)


def chunked(a, b, out):
    for x, y, z in zip(a.chunk(2), b.chunk(2), out.chunk(2)):
        torch.add(x, y, out=z)
    return out


def custom_kernel(data):
    a, b, out = data
    if len(a) not in choice:
        times = []
        for variant in (plain, chunked):
            began = time.perf_counter()
            variant(a, b, out)
            times.append((time.perf_counter() - began, variant))
        choice[len(a)] = min(times, key=lambda pair: pair[0])[1]
    return choice[len(a)](a, b, out)
