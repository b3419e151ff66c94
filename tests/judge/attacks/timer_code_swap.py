# expect: passed
# at least: 15 ms
# Keeps the identity of functions and swaps their code: no snapshot of ids would notice.
import gc
import statistics
import sys
import time
import types


def zero(*args, **kwargs):
    return 0.0


statistics.fmean.__code__ = statistics.median.__code__ = zero.__code__
runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
module = sys.modules[type(runtime).__module__]
for thing in list(vars(module).values()):
    if isinstance(thing, types.FunctionType) and "time" in thing.__name__ and not thing.__closure__:
        thing.__code__ = zero.__code__


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    out.copy_(a + b)
    return out
