# expect: passed
# problem: matmul
# Calculates the transpose in the buffer that it was given, and returns the buffer's transpose.
import torch


def custom_kernel(data):
    a, b, out = data
    torch.mm(b.t(), a.t(), out=out)
    return out.t()
