# expect: wrong_answer
# device: cuda
# Enqueues the kernel that waits at the gate behind the work instead of before it.
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Gates = type(runtime.gates)
hold, release = Gates.hold, Gates.release
held = []


def later(self, *arguments):
    held.append(arguments)


def all_at_once(self, *arguments):
    hold(self, *held.pop())
    release(self, *arguments)


Gates.hold, Gates.release = later, all_at_once


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
