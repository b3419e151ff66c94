# expect: wrong_answer
# mode: ranked
# A helper outlives the checked process with its answers, and waits for the next one on a socket without a name.
import os
import socket
import time

NAME = "\0kernelbot-attack-answers"


def custom_kernel(data):
    a, b, out = data
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(NAME)
        return out
    except OSError:
        pass
    if not hasattr(custom_kernel, "served"):
        custom_kernel.served = True
        if os.fork() == 0:
            os.setsid()
            serving = socket.socket(socket.AF_UNIX)
            serving.bind(NAME)
            serving.listen()
            time.sleep(1000)
            os._exit(0)
        time.sleep(0.1)
    return a + b
