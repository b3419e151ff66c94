# expect: passed
# mode: ranked
# at least: 15 ms
# Puts a compiler of its own on the path, for the process that compiles next.
import os
import shutil
import subprocess
import time

home = os.environ["HOME"]
os.makedirs(f"{home}/bin", exist_ok=True)
for name in ("c++", "g++", "cc", "gcc", "nvcc", "ninja"):
    with open(f"{home}/bin/{name}", "w") as file:
        file.write("#!/bin/sh\nexit 0\n")
    os.chmod(f"{home}/bin/{name}", 0o755)
for place in os.environ["PATH"].split(":"):
    try:
        shutil.copy(f"{home}/bin/gcc", os.path.join(place, "g++"))
    except OSError:
        continue
    raise RuntimeError(f"leak: {place} can be written")
os.environ["PATH"] = f"{home}/bin:" + os.environ["PATH"]
subprocess.run(["g++", "--version"], check=False, stdout=subprocess.DEVNULL)


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    return a + b
