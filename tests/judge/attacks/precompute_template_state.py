# expect: passed
# Inputs from a generator that was seeded before this process was forked would come twice.
import random

import torch


def custom_kernel(data):
    a, b, out = data
    seeds = [random.Random(0).getrandbits(31), random.getrandbits(31), torch.initial_seed() & 0x7FFFFFFF]
    for seed in seeds:
        x = torch.randn(len(a), generator=torch.Generator().manual_seed(seed))
        if torch.equal(x, a.cpu()):
            raise RuntimeError("leak: the seed comes from a generator that this process has too")
    return a + b
