# expect: passed
import torch
import triton
import triton.language as tl


@triton.jit
def add(a, b, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, mask=inside)
    y = tl.load(b + at, mask=inside)
    tl.store(out + at, x + y, mask=inside)


def custom_kernel(data):
    a, b, out = data
    n = len(a)
    add[(triton.cdiv(n, 4096),)](a, b, out, n, BLOCK=4096)
    return out
