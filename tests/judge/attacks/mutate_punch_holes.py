# expect: wrong_answer or passed
# at least: 15 ms
# Gives the pages of the shared memory back to the kernel while the referee is about to read them.
import ctypes
import time

libc = ctypes.CDLL(None, use_errno=True)
MADV_REMOVE, PAGE = 9, 4096


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    out.copy_(a + b)
    first = out.data_ptr() // PAGE * PAGE
    libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(1 << 16), MADV_REMOVE)
    return out
