# expect: passed
# Tries to attach to the referee as a debugger and to read it with process_vm_readv.
import ctypes
import os


def custom_kernel(data):
    a, b, out = data
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, os.getppid(), 0, 0) == 0:
        raise RuntimeError("leak: attached to the parent")
    if libc.ptrace(0x4206, os.getppid(), 0, 0) == 0:
        raise RuntimeError("leak: seized the parent")
    return a + b
