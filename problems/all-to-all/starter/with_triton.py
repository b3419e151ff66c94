#!kernelbot leaderboard all-to-all
# expect: passed device=cuda
import torch
import torch.distributed as dist
import triton
import triton.language as tl

from task import BLOCK, input_t, output_t


@triton.jit
def answer_kernel(
    x_ptr, chosen_ptr, shares_ptr, experts_ptr, out_ptr, x_stride, chosen_stride, top, first, owned, blocks,
    BLOCK: tl.constexpr, TOGETHER: tl.constexpr,
):
    # What the experts of this rank say of TOGETHER blocks of one token, added up with their shares.
    token, lane = tl.program_id(0), tl.arange(0, BLOCK)
    block = tl.program_id(1) * TOGETHER + tl.arange(0, TOGETHER)
    place, inside = block[:, None] * BLOCK + lane[None, :], block[:, None] < blocks
    x = tl.load(x_ptr + token * x_stride + place, mask=inside, other=0.0)
    total = tl.zeros((TOGETHER, BLOCK), dtype=tl.float32)
    for slot in range(0, top):
        expert = tl.load(chosen_ptr + token * chosen_stride + slot) - first
        if (expert >= 0) & (expert < owned):
            share = tl.load(shares_ptr + token * chosen_stride + slot)
            row = (expert * blocks + block[:, None]) * BLOCK + lane[None, :]
            matrix = tl.load(
                experts_ptr + row[:, :, None] * BLOCK + lane[None, None, :], mask=inside[:, :, None], other=0.0
            )
            total += share * tl.sum(matrix.to(tl.float32) * x[:, None, :].to(tl.float32), axis=2)
    tl.store(out_ptr + token * blocks * BLOCK + place, total.to(tl.float16), mask=inside)


def custom_kernel(data: input_t) -> output_t:
    x, chosen, shares, experts, rank, world_size, out = data
    (tokens, hidden), top = x.shape, chosen.shape[1]
    # Sending tokens only where they are asked for takes counts that the host has to wait for. Everybody gets all of them
    # instead: most have an expert on most ranks anyway. One message holds tokens, experts and shares, as bytes.
    mine = torch.cat([part.view(torch.uint8) for part in (x, chosen, shares)], dim=1)
    whole = mine.new_empty((world_size * tokens, mine.shape[1]))
    dist.all_gather_into_tensor(whole, mine)
    rows, numbers, weights = whole.split((2 * hidden, 4 * top, 4 * top), dim=1)
    rows, numbers, weights = rows.view(x.dtype), numbers.view(chosen.dtype), weights.view(shares.dtype)

    part = x.new_empty((world_size * tokens, hidden))
    blocks = hidden // BLOCK
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    together = 8 if x.is_cuda else triton.next_power_of_2(blocks)
    answer_kernel[(len(part), triton.cdiv(blocks, together))](
        rows, numbers, weights, experts, part, rows.stride(0), numbers.stride(0), top,
        rank * len(experts), len(experts), blocks, BLOCK=BLOCK, TOGETHER=together,
    )
    # No rank needs another's answers by themselves, only their sum for its own tokens.
    if x.is_cuda:
        dist.reduce_scatter_tensor(out, part)
    else:  # gloo, which the CPU target has, sums for everybody or nobody
        dist.all_reduce(part)
        out.copy_(part.chunk(world_size)[rank])
    return out
