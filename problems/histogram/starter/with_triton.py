#!kernelbot leaderboard histogram
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def histogram_kernel(values_ptr, out_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    values = tl.load(values_ptr + at, mask=inside, other=0).to(tl.int32)
    bins = tl.arange(0, 256)
    counts = tl.histogram(values, 256)
    # Lanes beyond the end were read as 0: take them out of the first bin again.
    beyond = BLOCK - tl.sum(inside.to(tl.int32), axis=0)
    counts = tl.where(bins == 0, counts - beyond, counts)
    tl.atomic_add(out_ptr + bins, counts.to(tl.int64))


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    out.zero_()
    count = values.numel()
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    block = 4096 if out.is_cuda else 65536
    histogram_kernel[(triton.cdiv(count, block),)](values, out, count, BLOCK=block)
    return out
