# expect: disqualified
# Rings twice, so that the next call would seem to be over before it began.
import gc

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    out.copy_(a + b)
    runtime.ring(b"D")
    return out
