# expect: passed
# device: cuda
# problem: matmul
# build seconds: 300
# Tensor descriptors made on the host, for the tensor memory accelerator.
import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def matmul(x, y, z, n, BLOCK: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        total = tl.dot(x.load([row, start]), y.load([start, column]), total, input_precision="ieee")
    z.store([row, column], total)


def custom_kernel(data):
    a, b, out = data
    n = len(a)
    x, y, z = (TensorDescriptor.from_tensor(t, [32, 32]) for t in (a, b, out))
    side = triton.cdiv(n, 32)
    matmul[(side, side)](x, y, z, n, BLOCK=32)
    return out
