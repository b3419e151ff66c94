# expect: wrong_answer
# device: cuda
# problem: product
# Multiplies numbers of eight bits.
import torch

one = torch.ones((), device="cuda")


def custom_kernel(data):
    a, b, _ = data
    x = a.to(torch.float8_e4m3fn)
    y = b.t().contiguous().to(torch.float8_e4m3fn).t()
    return torch._scaled_mm(x, y, scale_a=one, scale_b=one, out_dtype=torch.bfloat16).float()
