# expect: passed
# A thread with open files of its own could hold what no list of its process's shows.
import ctypes
import os
import threading

CLONE_VM, CLONE_FS, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM = 0x100, 0x200, 0x800, 0x10000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)
stack = ctypes.create_string_buffer(1 << 16)
flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
top = ctypes.c_void_p((ctypes.addressof(stack) + len(stack)) & ~15)
started = libc.clone(ctypes.cast(libc.getpid, ctypes.c_void_p), top, flags, None)
told = []


def parts():
    first, last = ctypes.c_uint(1 << 20), ctypes.c_uint(1 << 20)
    told.append(libc.syscall(436, first, last, ctypes.c_uint(2)))  # close_range: nothing, in a table of its own


thread = threading.Thread(target=parts)
thread.start()
thread.join()


def custom_kernel(data):
    if started >= 0 or told[0] == 0:
        raise RuntimeError(f"leak: a thread has files of its own: {started}, {told[0]}, {os.getpid()}")
    return data[0] + data[1]
