# expect: passed
# Debugging aids that people leave in: tracebacks, faulthandler, atexit, weak references, inspection.
import atexit
import faulthandler
import gc
import inspect
import traceback
import weakref

import torch

faulthandler.enable()
atexit.register(print, "bye")
gc.collect()
seen = []


def custom_kernel(data):
    a, b, out = data
    seen.append(weakref.ref(a))
    inspect.signature(custom_kernel)
    traceback.format_stack()
    with torch.no_grad(), torch.profiler.record_function("custom_kernel"):
        return a + b
