# expect: passed or wrong_answer or crashed or disqualified
# at least: 15.6 ms
# The word that begins a call is told to continue whoever waits for it, before the clock has been read.
import fcntl
import gc
import os
import signal
import time

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
descriptor = runtime.channel.fileno()
F_SETSIG = 10
signal.signal(signal.SIGCONT, lambda *args: None)
fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(descriptor, F_SETSIG, signal.SIGCONT)
fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


def custom_kernel(data):
    a, b, out = data
    end = time.perf_counter() + 0.02
    while time.perf_counter() < end:
        pass
    return a + b
