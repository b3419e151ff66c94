# expect: passed
# Tries to attach to the referee as a debugger and to read it with process_vm_readv.
import ctypes
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
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in referees():
        for request in (16, 0x4206):  # attach, seize
            if libc.ptrace(request, pid, 0, 0) == 0:
                raise RuntimeError("leak: attached to the referee")
    return a + b
