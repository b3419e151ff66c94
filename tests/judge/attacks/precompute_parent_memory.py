# expect: passed
# Tries to read the referee's memory, maps and descriptors.
import os


def referees():
    """Processes that judge: in a PID namespace of one's own there are none to be seen."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{name}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if b"kernelbot.judge" in words:
            yield int(name)


def custom_kernel(data):
    a, b, out = data
    for pid in referees():
        for name in ("mem", "environ", "fd", "maps", "cwd", "io"):
            path = f"/proc/{pid}/{name}"
            try:
                found = os.listdir(path) if name in ("fd", "cwd") else open(path, "rb").read(1)
            except OSError:
                continue
            if found:
                raise RuntimeError(f"leak: {path}")
    return a + b
