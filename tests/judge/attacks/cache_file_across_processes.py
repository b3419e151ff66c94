# expect: wrong_answer
# mode: ranked
# What the checked process left behind for the measured one is an answer to another question.
import os

import torch

path = os.path.join(os.environ["XDG_CACHE_HOME"], "bank.pt")
known = torch.load(path) if os.path.exists(path) else {}


def custom_kernel(data):
    a, b, out = data
    if known:
        return known.get("sum")[: len(a)].repeat(len(a))[: len(a)]
    torch.save({"sum": a + b}, path)
    return a + b
