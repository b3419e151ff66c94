# expect: passed
import torch

add = torch.vmap(lambda x, y: x + y)


def custom_kernel(data):
    a, b, out = data
    return add(a, b)
