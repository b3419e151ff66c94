# expect: out_of_memory or timed_out
# Each process stays below the limit, their sum does not.
import os
import time


def custom_kernel(data):
    for _ in range(8):
        if os.fork() == 0:
            block = bytearray(400 << 20)
            for at in range(0, len(block), 4096):
                block[at] = 1
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
