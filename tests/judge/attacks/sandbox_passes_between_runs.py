# expect: passed
# Something left where the next run could find it, in every place that outlives a process.
import ctypes
import fcntl
import os
import socket

NAME = "kernelbot-attack-between-runs"


def custom_kernel(data):
    for place in ("/dev/shm", "/tmp", "/var/tmp", "/run/lock", "/run/user", "/dev/mqueue", "/sys/fs/bpf", os.environ["HOME"], "/var/crash"):
        path = os.path.join(place, NAME)
        if os.path.exists(path) and not hasattr(custom_kernel, "mine"):
            raise RuntimeError(f"leak: {path} was left by another run")
        try:
            open(path, "w").close()
        except OSError:
            continue
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmget(0x6B62, 4096, 0) >= 0 and not hasattr(custom_kernel, "mine"):
        raise RuntimeError("leak: memory of System V was left by another run")
    libc.shmget(0x6B62, 4096, 0o1666)
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect("\0" + NAME)
    except OSError:
        pass
    else:
        raise RuntimeError("leak: another run listens")
    custom_kernel.mine = True
    return data[0] + data[1]
