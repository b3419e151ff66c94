# expect: passed
# device: cuda
# Makes the device the default one for all that is created without saying where.
import torch

torch.set_default_device("cuda")


def custom_kernel(data):
    a, b, _ = data
    scratch = torch.empty(a.shape)
    return torch.add(a, b, out=scratch)
