# expect: wrong_answer
# Tries to shrink and to punch holes into the shared memory.
import ctypes
import os


def custom_kernel(data):
    a, b, out = data
    libc = ctypes.CDLL(None, use_errno=True)
    for name in os.listdir("/proc/self/map_files") if os.access("/proc/self/map_files", 4) else []:
        try:
            os.truncate(f"/proc/self/map_files/{name}", 0)
        except OSError:
            pass
    libc.madvise(ctypes.c_void_p(out.data_ptr() & ~4095), 1 << 16, 9)
    return out
