# expect: passed
# mode: ranked
# at least: 15 ms
# Leaves processes behind that keep every core busy, so that the empty call of the measured process
# takes long and its overhead, which is subtracted, is large.
import os
import time

if not os.path.exists("tmp/left"):
    os.makedirs("tmp", exist_ok=True)
    open("tmp/left", "w").close()
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True:
                    pass
            os._exit(0)


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    return a + b
