# expect: wrong_answer or crashed
# device: cuda
# Opens the gate itself as soon as everything is queued: the work is done when the referee opens it.
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Gates = type(runtime.gates)
words = memoryview(runtime.page)[:4096].cast("I")
honest = Gates.release


def release(self, stream, number, base, asked):
    honest(self, stream, number, base, asked)
    words[0] = number & 0xFFFFFFFF
    torch.cuda._sleep(1)  # so that the queue is looked at


Gates.release = release


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
