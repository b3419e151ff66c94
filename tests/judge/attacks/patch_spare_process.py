# expect: passed
# mode: ranked
# at least: 15 ms
# Tries to slow down the process in which the empty call will be measured.
import os
import signal
import time


def custom_kernel(data):
    a, b, out = data
    for name in filter(str.isdigit, os.listdir("/proc")):
        pid = int(name)
        if pid == os.getpid():
            continue
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read()
            if b"runtime/inside" not in line or line.startswith(b"bwrap"):
                continue
        except OSError:
            continue
        for attempt in (
            lambda: os.kill(pid, signal.SIGKILL),
            lambda: open(f"/proc/{pid}/mem", "r+b").close(),
            lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        ):
            try:
                attempt()
            except OSError:
                continue
            raise RuntimeError("leak: another contestant process is within reach")
    time.sleep(0.02)
    return a + b
