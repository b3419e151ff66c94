# expect: passed
import torch


class Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        return a + b


def custom_kernel(data):
    a, b, _ = data
    return Add.apply(a, b)
