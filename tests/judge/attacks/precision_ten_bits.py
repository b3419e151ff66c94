# expect: wrong_answer
# problem: matmul
# Operands cut to the ten bits of mantissa that tensor cores keep of a float.
import torch


def cut(x):
    return (x.view(torch.int32) & -8192).view(torch.float32)


def custom_kernel(data):
    a, b, out = data
    return cut(a) @ cut(b)
