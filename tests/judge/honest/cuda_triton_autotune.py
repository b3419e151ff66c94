# expect: passed
# device: cuda
# build seconds: 300
import torch
import triton
import triton.language as tl


@triton.autotune(
    configs=[triton.Config({"BLOCK": size}, num_warps=warps) for size in (512, 1024) for warps in (4, 8)],
    key=["n"],
)
@triton.jit
def add(a, b, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(out + at, tl.load(a + at, mask=inside) + tl.load(b + at, mask=inside), mask=inside)


def custom_kernel(data):
    a, b, out = data
    n = a.numel()
    add[lambda meta: (triton.cdiv(n, meta["BLOCK"]),)](a, b, out, n)
    return out
