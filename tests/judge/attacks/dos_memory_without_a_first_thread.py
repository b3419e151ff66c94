# expect: out_of_memory
# A program whose first thread has ended: under its own number the kernel tells no figures of it any more.
import os
import subprocess
import sys
import time

# Above the limit, which is higher where CUDA is.
GIB = 20 if os.path.exists("/dev/nvidiactl") else 3
SOURCE = f"""
import ctypes, threading, time
def fill():
    time.sleep(0.2)
    held = [bytes(1 << 20) * 1024 for _ in range({GIB})]
    time.sleep(1000)
threading.Thread(target=fill).start()
ctypes.CDLL(None).pthread_exit(None)
"""
child = subprocess.Popen([sys.executable, "-c", SOURCE])
time.sleep(4)
assert child.poll() is None and os.path.exists(f"/proc/{child.pid}")


def custom_kernel(data):
    time.sleep(2)
    return data[0] + data[1]
