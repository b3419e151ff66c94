# expect: passed
# Looks for a seed in the environment of its ancestors. Finding one would be worth raising.
import os


def custom_kernel(data):
    a, b, out = data
    for pid in (os.getppid(), os.getpid()):
        try:
            text = open(f"/proc/{pid}/environ", "rb").read()
        except OSError:
            continue
        if b"SEED" in text.upper() or b"KERNELBOT" in text.upper().replace(b"/KERNELBOT-", b""):
            raise RuntimeError(f"leak: {text[:500]!r}")
    return a + b
