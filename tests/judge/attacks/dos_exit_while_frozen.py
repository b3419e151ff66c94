# expect: passed or crashed or wrong_answer
# The first thread ends and others go on: a process that looks dead and is not.
import ctypes
import gc
import os
import threading

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
main = next(o for o in gc.get_objects() if getattr(o, "__name__", "") == "receive" and callable(o))


def custom_kernel(data):
    def go_on():
        out = data[0] + data[1]
        data[2].copy_(out)
        runtime.ring(b"D")
        while True:
            message, found = main(runtime.channel)
            runtime.handle(message, found[0] if found else None)

    threading.Thread(target=go_on).start()
    ctypes.CDLL(None).syscall(60, 0)
