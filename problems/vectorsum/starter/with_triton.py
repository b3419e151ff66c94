#!kernelbot leaderboard vectorsum
import torch
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def part_kernel(values_ptr, parts_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(values_ptr + at, mask=at < count, other=0.0)
    tl.store(parts_ptr + tl.program_id(0), tl.sum(values, axis=0))


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    block = 8192 if out.is_cuda else 65536
    blocks = triton.cdiv(values.numel(), block)
    parts = torch.empty(blocks, dtype=torch.float32, device=values.device)
    part_kernel[(blocks,)](values, parts, values.numel(), BLOCK=block)
    return torch.sum(parts, dim=0, keepdim=True, out=out)
