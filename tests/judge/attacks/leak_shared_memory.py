# expect: passed
# Searches everything that is mapped in the process for the expected output.
import ctypes
import re

import torch


def custom_kernel(data):
    a, b, out = data
    needle = (a[:16] + b[:16]).cpu().numpy().tobytes()
    for line in open("/proc/self/maps"):
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.s .*case", line)
        if match:
            low, high = (int(x, 16) for x in match.groups())
            if needle in ctypes.string_at(low, high - low):
                raise RuntimeError("leak: the expected output is in the shared memory")
    return a + b
