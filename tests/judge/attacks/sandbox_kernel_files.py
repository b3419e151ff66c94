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
    for path in WRITTEN:
        if os.access(path, os.W_OK):
            try:
                os.close(os.open(path, os.O_WRONLY))
            except OSError:
                continue
            raise RuntimeError(f"leak: {path} can be written")
    for path in READ:
        try:
            found = os.listdir(path) if os.path.isdir(path) else os.read(os.open(path, os.O_RDONLY), 1)
        except OSError:
            continue
        if found:
            raise RuntimeError(f"leak: {path} can be read")
    return data[0] + data[1]
