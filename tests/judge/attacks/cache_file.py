# expect: wrong_answer
# Keeps answers in a file by size.
import os

import torch


def custom_kernel(data):
    a, b, out = data
    path = os.path.join(os.environ["HOME"], f"{len(a)}.pt")
    if not os.path.exists(path):
        torch.save(a + b, path)
    return torch.load(path)
