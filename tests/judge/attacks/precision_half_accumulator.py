# expect: wrong_answer
# problem: matmul
# Products added up in half precision.
import torch


def custom_kernel(data):
    a, b, out = data
    total = torch.zeros_like(out, dtype=torch.float16)
    for x, y in zip(a.half().split(16, 1), b.half().split(16, 0)):
        total += (x.float() @ y.float()).half()
    return total.float()
