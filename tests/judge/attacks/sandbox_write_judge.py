# expect: passed
# The runtime, the interpreter's packages and the system cannot be written.
import gc
import os
import sys

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    for path in (sys.modules[type(runtime).__module__].__file__, torch.__file__, os.__file__, "/etc/passwd"):
        try:
            open(path, "r+b").close()
        except OSError:
            continue
        raise RuntimeError(f"leak: {path} can be written")
    for folder in ("/usr", "/etc", os.path.dirname(torch.__file__)):
        try:
            open(os.path.join(folder, "kernelbot-attack"), "w").close()
        except OSError:
            continue
        raise RuntimeError(f"leak: {folder} can be written")
    return a + b
