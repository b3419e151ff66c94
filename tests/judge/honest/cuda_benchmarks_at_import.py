# expect: passed
# device: cuda
# build seconds: 300
# Measures block sizes with do_bench at import, with and without graphs, and takes the best.
import torch
import triton
import triton.language as tl
from triton.testing import do_bench, do_bench_cudagraph


@triton.jit
def add(a, b, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(a + at, mask=at < n) + tl.load(b + at, mask=at < n), mask=at < n)


def run(block, a, b, out):
    add[(triton.cdiv(a.numel(), block),)](a, b, out, a.numel(), BLOCK=block)


x, y, z = (torch.randn(20000, device="cuda") for _ in range(3))
times = {block: do_bench(lambda: run(block, x, y, z), warmup=2, rep=5) for block in (256, 1024)}
with torch.cuda.stream(torch.cuda.Stream()):
    times[512] = do_bench_cudagraph(lambda: run(512, x, y, z), rep=5)
best = min(times, key=times.get)


def custom_kernel(data):
    a, b, out = data
    run(best, a, b, out)
    return out
