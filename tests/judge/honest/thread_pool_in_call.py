# expect: passed
# A pool that lives as long as the process, joined in every call.
from concurrent.futures import ThreadPoolExecutor

import torch

pool = ThreadPoolExecutor(4)


def custom_kernel(data):
    a, b, out = data
    list(pool.map(lambda part: torch.add(part[0], part[1], out=part[2]), zip(a.chunk(4), b.chunk(4), out.chunk(4))))
    return out
