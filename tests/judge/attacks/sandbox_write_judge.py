# expect: passed
# The runtime, the interpreter's packages and the system cannot be written.
import os
import sys

import torch


def custom_kernel(data):
    a, b, out = data
    for path in (sys.modules["__main__"].__file__, torch.__file__, os.__file__, "/etc/passwd"):
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
