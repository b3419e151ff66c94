# expect: passed
# A process that wants to outlive the run with the output pipe in its hands.
import os
import time


def custom_kernel(data):
    a, b, out = data
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(0)
    os.wait()
    return a + b
