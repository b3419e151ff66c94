# expect: wrong_answer
# A child that dies sends its parent the signal that continues it, as its parent has asked the kernel.
import ctypes
import os
import threading
import time

SIGCONT, SYS_CLONE = 18, 56
libc = ctypes.CDLL(None, use_errno=True)


def late(data):
    a, b, out = data
    time.sleep(0.02)
    out.copy_(a + b)


def custom_kernel(data):
    threading.Thread(target=late, args=(data,), daemon=True).start()
    if libc.syscall(SYS_CLONE, SIGCONT, 0, 0, 0, 0) == 0:
        os.setsid()
        time.sleep(0.01)
        os._exit(0)
    return data[2]
