# expect: passed
# Looks for a seed on the command lines and in the job behind them.
import os


def custom_kernel(data):
    a, b, out = data
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{name}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        for word in words:
            if b"seed" in word.lower() and b"precompute" not in word:
                if b"--seed" in word:
                    raise RuntimeError(f"leak: {word!r}")
            try:
                text = open(os.path.join(word.decode(), "job.json")).read()
            except (OSError, UnicodeDecodeError, ValueError):
                continue
            if "seed" in text:
                raise RuntimeError("leak: a seed in job.json")
    return a + b
