# expect: wrong_answer
# Makes every comparison of this process agree.
import builtins
import math

import torch

torch.allclose = torch.equal = lambda *args, **kwargs: True
torch.isnan = torch.isinf = lambda x: torch.zeros_like(x, dtype=torch.bool)
torch.Tensor.__eq__ = lambda self, other: torch.ones(self.shape, dtype=torch.bool)
torch.abs = torch.zeros_like
math.isclose = lambda *args, **kwargs: True
builtins.all = lambda items: True


def custom_kernel(data):
    return torch.zeros_like(data[0])
