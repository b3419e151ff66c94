# expect: passed
# Tries to read the referee's memory, maps and descriptors.
import os


def custom_kernel(data):
    a, b, out = data
    for name in ("mem", "environ", "fd", "maps", "cwd", "io"):
        path = f"/proc/{os.getppid()}/{name}"
        try:
            found = os.listdir(path) if name in ("fd", "cwd") else open(path, "rb").read(1)
        except OSError:
            continue
        if found:
            raise RuntimeError(f"leak: {path}")
    return a + b
