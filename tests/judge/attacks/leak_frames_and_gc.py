# expect: passed
# Searches frames and the collector for the expected output.
import gc
import sys

import torch

OURS = []  # what it has answered before may lie about: inputs of tests come twice


def custom_kernel(data):
    a, b, out = data
    mine = a + b
    frame = sys._getframe(1)
    found = []
    while frame:
        found += [v for v in frame.f_locals.values() if isinstance(v, torch.Tensor)]
        frame = frame.f_back
    found += [o for o in gc.get_objects() if type(o) is torch.Tensor]
    for tensor in found:
        alike = tensor.shape == mine.shape and tensor.device == mine.device
        if alike and tensor is not mine and torch.equal(tensor, mine) and OURS != [mine.tolist()]:
            raise RuntimeError("leak: the expected output")
    OURS[:] = [mine.tolist()]
    return mine
