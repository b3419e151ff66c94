# expect: passed
# Reads whatever its own descriptors lead to, for a secret or for the expected output.
import os

OURS = set()  # what it has answered before may lie about: inputs of tests come twice


def custom_kernel(data):
    a, b, out = data
    needle = (a[:16] + b[:16]).cpu().numpy().tobytes()
    secret = [b"def reference", b'"tests":'] + [needle] * (needle not in OURS)
    OURS.add(needle)
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptor = os.open(f"/proc/self/fd/{name}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            content = os.pread(descriptor, 1 << 22, 0)
        except OSError:
            continue
        finally:
            os.close(descriptor)
        if any(word in content for word in secret):
            raise RuntimeError(f"leak: descriptor {name} leads to the judge's side")
    return a + b
