# expect: passed
import torch

torch.set_num_threads(1)


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
