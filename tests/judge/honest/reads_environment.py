# expect: passed
# Reads its surroundings, for tuning and for its log.
import getpass
import multiprocessing
import os
import platform
import tempfile

import torch

os.environ.setdefault("MY_BLOCK", "1024")
os.environ["TORCH_LOGS_OUT"] = ""
block = int(os.environ["MY_BLOCK"])
print(getpass.getuser(), platform.machine(), multiprocessing.cpu_count(), tempfile.gettempdir())
print(open("/proc/cpuinfo").readline(), os.cpu_count(), os.getpid(), os.path.expanduser("~"))


def custom_kernel(data):
    a, b, out = data
    for x, y, z in zip(a.split(block), b.split(block), out.split(block), strict=True):
        torch.add(x, y, out=z)
    return out
