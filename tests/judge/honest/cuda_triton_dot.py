# expect: passed
# device: cuda
# problem: matmul
# build seconds: 300
import torch
import triton
import triton.language as tl


@triton.heuristics({"EVEN": lambda found: found["n"] % found["BLOCK"] == 0})
@triton.jit
def matmul(a, b, out, n, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        inner = start + tl.arange(0, BLOCK)
        if EVEN:
            x = tl.load(a + rows[:, None] * n + inner[None, :])
            y = tl.load(b + inner[:, None] * n + columns[None, :])
        else:
            x = tl.load(a + rows[:, None] * n + inner[None, :], mask=(rows[:, None] < n) & (inner[None, :] < n), other=0)
            y = tl.load(b + inner[:, None] * n + columns[None, :], mask=(inner[:, None] < n) & (columns[None, :] < n), other=0)
        total = tl.dot(x, y, total, input_precision="ieee")
    tl.store(out + rows[:, None] * n + columns[None, :], total, mask=(rows[:, None] < n) & (columns[None, :] < n))


def custom_kernel(data):
    a, b, out = data
    n = len(a)
    side = triton.cdiv(n, 32)
    matmul[(side, side)](a, b, out, n, BLOCK=32, num_stages=3)
    return out
