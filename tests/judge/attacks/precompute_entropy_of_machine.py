# expect: passed
# Whether the numbers of the kernel or of Python can be drawn again by another process.
import os
import random
import secrets
import uuid

import torch

drawn = {os.urandom(16), secrets.token_bytes(16), uuid.uuid4().bytes, random.randbytes(16)}


def custom_kernel(data):
    a, b, out = data
    for seed in range(256):
        generator = torch.Generator().manual_seed(seed)
        if torch.equal(torch.randn(a.numel(), generator=generator), a.cpu()):
            raise RuntimeError("leak: the seed is small")
    torch.manual_seed(torch.initial_seed())
    if torch.equal(torch.randn(a.numel()), a.cpu()):
        raise RuntimeError("leak: the input is drawn from a generator of this process")
    if len(drawn) != 4:
        raise RuntimeError("leak: numbers repeat")
    return a + b
