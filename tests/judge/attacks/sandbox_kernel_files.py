# expect: passed
# Files of the kernel's that change the machine or tell about others on it.
import os

WRITTEN = (
    "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/vm/drop_caches", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.procs",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "/proc/1/oom_score_adj", "/proc/sys/kernel/pid_max",
)  # fmt: skip
READ = ("/dev/mem", "/dev/kmsg", "/proc/kcore", "/proc/1/environ", "/proc/1/maps", "/sys/kernel/debug", "/dev/sda", "/dev/vda")


def custom_kernel(data):
    own = os.path.exists("/proc/1") and os.stat("/proc/1").st_uid == os.getuid() != 0  # the first process of a namespace of one's own
    for path in WRITTEN:
        if os.access(path, os.W_OK) and not (own and path.startswith("/proc/1/")):
            try:
                os.close(os.open(path, os.O_WRONLY))
            except OSError:
                continue
            raise RuntimeError(f"leak: {path} can be written")
    if own:
        with open("/proc/1/environ", "rb") as file:
            content = file.read()
            if any(word in content for word in (b"KERNELBOT_", b"TOKEN", b"postgres")):
                raise RuntimeError("leak: what started it shows its environment")
    for path in READ:
        if own and path.startswith("/proc/1/"):
            continue
        try:
            found = os.listdir(path) if os.path.isdir(path) else os.read(os.open(path, os.O_RDONLY), 1)
        except OSError:
            continue
        if found:
            raise RuntimeError(f"leak: {path} can be read")
    return data[0] + data[1]
