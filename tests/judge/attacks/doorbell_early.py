# expect: wrong_answer or disqualified
# Says "done" before it has done anything: the buffer is captured as it is then. A judge that is slow to stop it finds
# the answer there, and hears it say so twice.
import gc
import sys
import time

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    runtime.ring(b"D")
    time.sleep(0.02)
    out.copy_(a + b)
    return out
