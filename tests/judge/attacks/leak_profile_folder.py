# expect: passed
# mode: profile
# device: cuda
# The folder for a profiler's report becomes a link to one that only the judge can read.
import os

import torch

ELSEWHERE = "/root"


def custom_kernel(data):
    for name in os.listdir():
        if name.startswith("profile-") and not os.path.islink(name):
            os.rename(name, f"was-{name}")
            os.symlink(ELSEWHERE, name)
    a, b, out = data
    return torch.add(a, b, out=out)
