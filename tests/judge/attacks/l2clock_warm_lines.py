# expect: passed or crashed
# at least: 15 ms
# A thread keeps touching the data between calls, so that it is in the cache when the clock starts.
import threading
import time

seen = []


def touch():
    while True:
        for tensor in seen[-3:]:
            tensor.sum()
        time.sleep(0)


threading.Thread(target=touch, daemon=True).start()


def custom_kernel(data):
    a, b, out = data
    seen[:] = [a, b]
    time.sleep(0.02)
    return a + b
