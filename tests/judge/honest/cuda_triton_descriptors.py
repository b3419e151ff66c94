# expect: passed
# device: cuda
# problem: matmul
# build seconds: 300
# Tensor descriptors (the tensor memory accelerator), made on the device, with the scratch memory that they need.
import torch
import triton
import triton.language as tl

triton.set_allocator(lambda size, alignment, stream: torch.empty(size, dtype=torch.int8, device="cuda"))


@triton.jit
def matmul(a, b, out, n, BLOCK: tl.constexpr):
    x = tl.make_tensor_descriptor(a, shape=[n, n], strides=[n, 1], block_shape=[BLOCK, BLOCK])
    y = tl.make_tensor_descriptor(b, shape=[n, n], strides=[n, 1], block_shape=[BLOCK, BLOCK])
    z = tl.make_tensor_descriptor(out, shape=[n, n], strides=[n, 1], block_shape=[BLOCK, BLOCK])
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        total = tl.dot(x.load([row, start]), y.load([start, column]), total, input_precision="ieee")
    z.store([row, column], total)


def custom_kernel(data):
    a, b, out = data
    n = len(a)
    side = triton.cdiv(n, 32)
    matmul[(side, side)](a, b, out, n, BLOCK=32)
    return out
