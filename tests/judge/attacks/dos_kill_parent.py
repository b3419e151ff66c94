# expect: passed
# The referee is out of reach.
import os
import signal


def custom_kernel(data):
    a, b, out = data
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        try:
            os.kill(os.getppid(), number)
        except PermissionError:
            continue
        raise RuntimeError("leak: the parent can be signalled")
    return a + b
