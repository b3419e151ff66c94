# expect: crashed
# Folders inside each other end every recursive walk over them, and the limits with it.
import os
import time

here = os.getcwd()
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
os.chdir(here)


def custom_kernel(data):
    time.sleep(6)
    return data[0] + data[1]
