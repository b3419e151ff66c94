# expect: wrong_answer
# only: cpu
# Maps the shared memory again, keeps the old pages in place of the new, and hopes that the referee writes to those.
import ctypes
import mmap

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
MAP_FIXED, MAP_PRIVATE, MAP_ANONYMOUS = 0x10, 0x02, 0x20
PAGE = mmap.PAGESIZE


def custom_kernel(data):
    a, b, out = data
    right = a + b
    first = out.data_ptr() // PAGE * PAGE
    size = (out.data_ptr() + 4 * out.numel() - first + PAGE - 1) // PAGE * PAGE
    libc.mmap(first, size, 3, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    out.copy_(right)
    return out
