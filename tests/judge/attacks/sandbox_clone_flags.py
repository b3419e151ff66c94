# expect: passed
# A user namespace of its own gives a process all rights inside it, and the kernel's surface with them.
import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
CLONE = {"x86_64": 56, "aarch64": 220}[platform.machine()]


def custom_kernel(data):
    a, b, out = data
    for flag in (0x10000000, 0x20000000, 0x40000000, 0x02000000):
        pid = libc.syscall(CLONE, ctypes.c_long(flag | 17), 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        if pid > 0:
            raise RuntimeError(f"leak: a namespace of its own by flag {flag:#x}")
    return a + b
