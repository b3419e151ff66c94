# expect: wrong_answer
# device: cuda
# problem: product
# One tile of very many is not computed.
import torch


def custom_kernel(data):
    a, b, out = data
    torch.mm(a, b, out=out)
    out[-16:, -16:] = out[:16, :16]
    return out
