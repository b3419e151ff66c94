# expect: wrong_answer
# The same, orphaned, so that it is no longer below the contestant's process.
import os
import time


def custom_kernel(data):
    a, b, out = data
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.02)
            out.numpy()[:] = a.numpy() + b.numpy()
        os._exit(0)
    os.wait()
    return out
