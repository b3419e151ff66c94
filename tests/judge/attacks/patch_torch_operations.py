# expect: wrong_answer
# Every operation that a checker would use says yes, and copies do nothing.
import torch

for name in ("allclose", "equal", "isclose", "testing"):
    setattr(torch, name, lambda *args, **kwargs: True)
torch.Tensor.copy_ = lambda self, *args, **kwargs: self
torch.Tensor.clone = lambda self, *args, **kwargs: self
torch.Tensor.__eq__ = lambda self, other: torch.ones(())
torch.Tensor.abs = lambda self: self * 0


def custom_kernel(data):
    return torch.zeros_like(data[2])
