# expect: quarantined or passed
# device: cuda
# at least: 15 ms
# What the judge's own runtime reads off its events is made a hundredth of it.
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Driver = type(runtime.gates.driver)
honest = Driver.elapsed_ns
Driver.elapsed_ns = lambda self, start, end: honest(self, start, end) / 100


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
