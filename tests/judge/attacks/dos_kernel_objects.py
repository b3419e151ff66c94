# expect: passed
# Takes all watches, queues and semaphores that the kernel gives: the next run must still find some.
import ctypes

libc = ctypes.CDLL(None)
kept = [libc.inotify_init() for _ in range(200)]
kept += [libc.semget(0, 1, 0o1600) for _ in range(200)]
kept += [libc.msgget(0, 0o1600) for _ in range(200)]
kept += [libc.shmget(0, 4096, 0o1600) for _ in range(200)]


def custom_kernel(data):
    return data[0] + data[1]
