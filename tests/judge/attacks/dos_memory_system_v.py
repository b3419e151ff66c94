# expect: out_of_memory or crashed or timed_out or passed
# Shared memory of System V that nothing is attached to any more.
import ctypes
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p


def custom_kernel(data):
    for _ in range(40):
        found = libc.shmget(0, ctypes.c_size_t(64 << 20), 0o1600)
        place = libc.shmat(found, None, 0)
        if found < 0 or place in (None, ctypes.c_void_p(-1).value):
            raise MemoryError("no more of it")
        ctypes.memset(place, 1, 64 << 20)
        libc.shmdt(ctypes.c_void_p(place))
    time.sleep(1.5)
    return data[0] + data[1]
