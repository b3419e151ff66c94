# expect: passed
# Reads whatever its own descriptors lead to, for a secret or for the expected output.
import os


def custom_kernel(data):
    a, b, out = data
    needle = (a[:16] + b[:16]).cpu().numpy().tobytes()
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
        if needle in content or b"def reference" in content or b'"tests":' in content:
            raise RuntimeError("leak: a descriptor leads to the judge's side")
    return a + b
