# expect: passed
# Whatever another process of the machine lets be seen or done to it.
import os
import resource
import signal


def mine(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return True


def custom_kernel(data):
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        if mine(pid):
            continue
        for name in ("environ", "maps", "mem", "stack", "syscall", "auxv", "io", "fdinfo", "fd", "map_files", "cwd", "root"):
            path = f"/proc/{pid}/{name}"
            try:
                found = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
            except OSError:
                continue
            if found:
                raise RuntimeError(f"leak: {path} can be read")
        for act in (
            lambda: os.kill(pid, signal.SIGCONT),
            lambda: os.sched_setaffinity(pid, {0}),
            lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
            lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (10, 10)),
        ):
            try:
                act()
            except OSError:
                continue
            raise RuntimeError(f"leak: process {pid} can be changed")
    return data[0] + data[1]
