# expect: passed
# The shared memory of a case and all of it that is mapped once more: nothing in it is the answer before it is given.
import gc
import mmap

import torch

OURS = []  # what it has answered before may lie there: inputs of tests come twice


def custom_kernel(data):
    a, b, out = data
    right = (a + b).cpu().numpy().tobytes()
    if OURS == [right]:
        return torch.add(a, b)
    OURS[:] = [right]
    for item in gc.get_objects():
        if isinstance(item, mmap.mmap):
            if item.find(right) >= 0:
                raise RuntimeError("leak: the answer lies in the shared memory")
    for line in open("/proc/self/maps"):
        words = line.split()
        if "memfd:" not in line or "r" not in words[1]:
            continue
        start, end = (int(part, 16) for part in words[0].split("-"))
        with open("/proc/self/mem", "rb") as memory:
            memory.seek(start)
            if right in memory.read(end - start):
                raise RuntimeError(f"leak: the answer lies in {line}")
    return torch.add(a, b)
