# expect: passed
# The referee is out of reach.
import os
import signal


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
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
            try:
                os.kill(pid, number)
            except (PermissionError, ProcessLookupError):  # another run's may end meanwhile
                continue
            raise RuntimeError("leak: the referee can be signalled")
    return a + b
