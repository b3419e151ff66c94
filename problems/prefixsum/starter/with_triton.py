#!kernelbot leaderboard prefixsum
import torch
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def total_kernel(values_ptr, totals_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(values_ptr + at, mask=at < count, other=0.0)
    tl.store(totals_ptr + tl.program_id(0), tl.sum(values, axis=0))


@triton.jit
def scan_kernel(values_ptr, totals_ptr, out_ptr, count, BLOCK: tl.constexpr):
    block = tl.program_id(0)
    at = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(values_ptr + at, mask=at < count, other=0.0)
    before = tl.load(totals_ptr + block - 1, mask=block > 0, other=0.0)
    tl.store(out_ptr + at, tl.cumsum(values, axis=0) + before, mask=at < count)


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    count = values.numel()
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    block = 4096 if out.is_cuda else 65536
    blocks = triton.cdiv(count, block)
    totals = torch.empty(blocks, dtype=torch.float32, device=values.device)
    total_kernel[(blocks,)](values, totals, count, BLOCK=block)
    totals = torch.cumsum(totals, dim=0)
    scan_kernel[(blocks,)](values, totals, out, count, BLOCK=block)
    return out
