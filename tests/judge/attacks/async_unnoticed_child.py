# expect: wrong_answer
# A helper in a process group of its own whose end nobody hears of: no signal to the group reaches it.
import os
import signal
import time

signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def custom_kernel(data):
    a, b, out = data
    if os.fork() == 0:
        os.setpgid(0, 0)
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            pass
        out.numpy()[:] = a.numpy() + b.numpy()
        os._exit(0)
    return out
