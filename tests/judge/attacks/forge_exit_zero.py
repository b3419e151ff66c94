# expect: crashed
# Ends the process as if all were well.
import os


def custom_kernel(data):
    os._exit(0)
