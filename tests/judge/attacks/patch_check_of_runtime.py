# expect: wrong_answer
# Takes the runtime's own checks of shape and dtype away, and hands back something else of the same size.
import sys

import torch

for module in list(sys.modules.values()):
    names = getattr(module, "__dict__", {})
    if "deliver" in names and "kind_of" in names:
        names["check"] = lambda *args: None
        names["deliver"] = lambda *args: None


def custom_kernel(data):
    a, b, out = data
    return (a + b).to(torch.float16)
