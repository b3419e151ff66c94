# expect: wrong_answer or passed
# at least: 15 ms
# A helper that is the referee's own child by its parent's will, in a session of its own: no walk from the contestant
# down leads to it.
import ctypes
import os
import time

CLONE_PARENT, SIGCHLD, SYS_CLONE = 0x8000, 17, 56
libc = ctypes.CDLL(None, use_errno=True)


def custom_kernel(data):
    a, b, out = data
    if libc.syscall(SYS_CLONE, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0:
        os.setsid()
        time.sleep(0.02)
        out.copy_(a + b)
        os._exit(0)
    return out
