# expect: wrong_answer or crashed or disqualified or timed_out
# Overwrites all memory that it shares with anybody, headers and inputs included.
import ctypes
import re


def custom_kernel(data):
    for line in open("/proc/self/maps"):
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.s ", line)
        if match and "/dev/nvidia" not in line:
            low, high = (int(x, 16) for x in match.groups())
            ctypes.memset(low, 0, high - low)
    return data[2]
