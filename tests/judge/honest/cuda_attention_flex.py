# expect: passed
# device: cuda
# problem: attention
# mode: test
# build seconds: 300
# check seconds: 300
# Attention that is compiled to a Triton kernel at the first call.
import torch
from torch.nn.attention.flex_attention import flex_attention

compiled = torch.compile(flex_attention, dynamic=False)


def custom_kernel(data):
    return compiled(*data)
