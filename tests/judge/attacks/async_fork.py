# expect: wrong_answer
# A child in a session of its own, writing to the shared buffer later.
import os
import time


def custom_kernel(data):
    a, b, out = data
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.02)
        out.numpy()[:] = a.numpy() + b.numpy()
        os._exit(0)
    return out
