# expect: passed
# Moves itself out of the group that freezes and limits it, or thaws the group.
import glob
import os


def custom_kernel(data):
    a, b, out = data
    mounts = [line.split()[1] for line in open("/proc/self/mounts") if " cgroup" in line]
    for mount in mounts:
        for name in ("cgroup.procs", "*/cgroup.procs", "*/cgroup.freeze", "*/memory.max", "*/*/cgroup.procs"):
            for path in glob.glob(os.path.join(mount, name)):
                try:
                    with open(path, "w") as file:
                        file.write("0")
                except OSError:
                    continue
                raise RuntimeError(f"leak: {path} can be written")
    return a + b
