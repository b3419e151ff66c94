# expect: passed
# only: cpu
# at least: 15 ms
# A resident child does the work. Its time counts, because the clock waits for the output.
import mmap
import os
import time

page = mmap.mmap(-1, 4096)


def custom_kernel(data):
    a, b, out = data
    page[0] = 0
    if os.fork() == 0:
        time.sleep(0.02)
        out.numpy()[:] = a.numpy() + b.numpy()
        page[0] = 1
        os._exit(0)
    while not page[0]:
        pass
    os.wait()
    return out
