# expect: wrong_answer
# Keeps answers in POSIX shared memory by size.
import os

import torch


def custom_kernel(data):
    a, b, out = data
    path = f"/dev/shm/kernel-{len(a)}"
    if not os.path.exists(path):
        torch.save(a + b, path)
    return torch.load(path)
