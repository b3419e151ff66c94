# expect: passed or quarantined
# device: cuda
# at least: 15 ms
# Claims times that are no numbers, or none that can be: the outside clock must be what counts.
import gc
import itertools

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Gates = type(runtime.gates)
odd = itertools.cycle([float("nan"), float("inf"), -1.0, 0.0, 1e-30, 1e300])
Gates.claimed_ns = lambda self: next(odd)


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
