# expect: passed
# device: cuda
# problem: matmul
# A module recorded by make_graphed_callables at the first call of each size; its buffers are its own.
import torch

torch.backends.cuda.matmul.allow_tf32 = False
graphed = {}


class Product(torch.nn.Module):
    def forward(self, a, b):
        return a @ b


def custom_kernel(data):
    a, b, out = data
    if a.shape not in graphed:
        sample = (torch.randn_like(a), torch.randn_like(b))
        graphed[a.shape] = torch.cuda.make_graphed_callables(Product(), sample)
    return graphed[a.shape](a, b)
