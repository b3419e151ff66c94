# expect: passed
# only: cpu
# The answer need not be contiguous.
import torch


def custom_kernel(data):
    a, b, _ = data
    wide = torch.empty(2 * len(a))
    wide[::2] = a + b
    return wide[::2]
