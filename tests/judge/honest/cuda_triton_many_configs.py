# expect: passed
# device: cuda
# build seconds: 300
# check seconds: 300
# Two dozen variants are compiled and measured at the first call of each size, outputs cleared before each.
import torch
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": block}, num_warps=warps, num_stages=stages)
        for block in (256, 512, 1024, 2048)
        for warps in (2, 4, 8)
        for stages in (1, 2)
    ],
    key=["n"],
    reset_to_zero=["out"],
)
@triton.jit
def add(a, b, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(a + at, mask=at < n) + tl.load(b + at, mask=at < n), mask=at < n)


def custom_kernel(data):
    a, b, out = data
    n = a.numel()
    add[lambda meta: (triton.cdiv(n, meta["BLOCK"]),)](a, b, out, n)
    return out
