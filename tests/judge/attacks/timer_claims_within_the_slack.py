# expect: passed or quarantined
# device: cuda
# at least: 0.012 ms
# Claims as much less than was measured as is still believed.
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Gates = type(runtime.gates)
honest = Gates.claimed_ns
Gates.claimed_ns = lambda self: honest(self) - 1400


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(20_000)
    return torch.add(a, b, out=out)
