#!kernelbot leaderboard vectoradd
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def add_kernel(a_ptr, b_ptr, out_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(a_ptr + at, mask=inside)
    b = tl.load(b_ptr + at, mask=inside)
    tl.store(out_ptr + at, a + b, mask=inside)


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    count = out.numel()
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    block = 1024 if out.is_cuda else 65536
    add_kernel[(triton.cdiv(count, block),)](a, b, out, count, BLOCK=block)
    return out
