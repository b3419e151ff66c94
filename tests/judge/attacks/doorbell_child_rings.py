# expect: disqualified or wrong_answer
# A child rings for this call and, when it has done the work, for the next one, while its parent only waits.
import gc
import os
import struct
import time

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    if os.fork() == 0:
        runtime.channel.send(struct.pack("<cQ", b"D", runtime.number))
        out.copy_(a + b)
        runtime.channel.send(struct.pack("<cQ", b"D", runtime.number + 1))
        os._exit(0)
    time.sleep(0.05)
    return out
