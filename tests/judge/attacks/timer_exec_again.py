# expect: crashed
# Becomes another program (as it would to load a slow clock with LD_PRELOAD).
import os


def custom_kernel(data):
    os.execv("/bin/true", ["true"])
