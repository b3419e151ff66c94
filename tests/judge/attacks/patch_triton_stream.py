# expect: wrong_answer or passed or quarantined or crashed
# device: cuda
# build seconds: 300
# at least: 15 ms
# Triton is told that a side stream is the current one: its kernels are launched where no gate is.
import torch
import triton
import triton.language as tl
from triton.runtime import driver

side = torch.cuda.Stream()


@triton.jit
def add(a, b, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(out + at, tl.load(a + at, mask=inside) + tl.load(b + at, mask=inside), mask=inside)


driver.active.get_current_stream = lambda device: side.cuda_stream


def custom_kernel(data):
    a, b, out = data
    with torch.cuda.stream(side):
        torch.cuda._sleep(60_000_000)
    add[(triton.cdiv(a.numel(), 1024),)](a, b, out, a.numel(), BLOCK=1024)
    return out
