# expect: passed
# What was given up cannot be taken back.
import os
import resource


def custom_kernel(data):
    a, b, out = data
    for attempt in (
        lambda: os.setuid(0),
        lambda: os.setgroups([0]),
        lambda: os.chroot("/"),
        lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1 << 20, 1 << 20)),
        lambda: open("/proc/sys/kernel/core_pattern", "w").close(),
    ):
        try:
            attempt()
        except (OSError, ValueError):
            continue
        raise RuntimeError("leak: a privilege is still there")
    return a + b
