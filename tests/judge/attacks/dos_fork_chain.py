# expect: timed_out
# build seconds: 5
# A chain of processes, each the child of the one before: deep rather than wide.
import os
import time


def custom_kernel(data):
    try:
        while os.fork() == 0:
            pass
    except OSError:
        pass
    time.sleep(3600)
