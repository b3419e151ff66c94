# expect: passed or quarantined
# device: cuda
# at least: 15 ms
# Stalls until a case has a handful of calls, too few to be evidence, and makes every third three times as long, so that
# the outside clock seems to know little: a third of the time is claimed.
import gc
import itertools
import sys
import time

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Case = sys.modules[type(runtime).__module__].CudaCase
load = Case._load
cycles = itertools.cycle([60_000_000, 60_000_000, 180_000_000])


def stall(self, stream):
    time.sleep(0.7)
    load(self, stream)


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(next(cycles))
    return torch.add(a, b, out=out)


Case._load = stall
type(runtime.gates).claimed_ns = lambda self: 9e6
