# expect: crashed
# Ends, while a child of its own keeps the channel open: nobody says that it is gone, and the device is held.
import os
import time


def custom_kernel(data):
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(7)
