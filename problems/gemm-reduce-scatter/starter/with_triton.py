#!kernelbot leaderboard gemm-reduce-scatter
# expect: passed device=cuda
import itertools

import torch
import torch.distributed as dist
import torch.distributed._symmetric_memory as symmetric
import triton
import triton.language as tl

from task import input_t, output_t

# Rows, columns and step of a tile, and its warps: the larger, the less is read twice.
TILES = ((128, 256, 64, 8), (128, 128, 64, 8), (64, 128, 64, 4), (64, 64, 128, 4), (64, 32, 128, 4))
ENOUGH = 128  # programs for about every multiprocessor
meetings = {}


@triton.jit
def gemm_kernel(
    x_ptr, weight_ptr, bias_ptr, addresses_ptr, m, n, k, share, rank,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr,
):
    # Rows for the next rank come first and the own ones last, so that not all ranks write to one at the same time.
    # Programs that run at the same time share 8 rows of tiles, so that most of what they read lies in the cache.
    across = tl.cdiv(n, COLUMNS)
    group = tl.program_id(0) // (8 * across)
    high = min(tl.cdiv(m, ROWS) - group * 8, 8)
    inside = tl.program_id(0) % (8 * across)
    at = (group * 8 + inside % high) * ROWS + tl.arange(0, ROWS)
    column = inside // high * COLUMNS + tl.arange(0, COLUMNS)
    row, lane = ((rank + 1) * share + at) % m, tl.arange(0, STEP)
    # Rows and columns behind the end begin again, which is cheaper to load than to leave out, and are not stored.
    x_place = x_ptr + row[:, None] * k + lane[None, :]
    weight_place = weight_ptr + (column % n)[None, :] * k + lane[:, None]
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, k, STEP):
        x = tl.load(x_place + start, mask=lane[None, :] < k - start, other=0.0)
        weight = tl.load(weight_place + start, mask=lane[:, None] < k - start, other=0.0)
        total = tl.dot(x, weight, total)
    if bias_ptr is not None:
        total += tl.load(bias_ptr + column % n)[None, :].to(tl.float32)
    # Each row goes straight into the memory of the rank that it is for, over the link.
    address = tl.load(addresses_ptr + row // share)
    buffer = tl.multiple_of(address.to(tl.pointer_type(x_ptr.dtype.element_ty)), 16)
    place = buffer[:, None] + (row % share)[:, None] * n + column[None, :]
    tl.store(place, total.to(x_ptr.dtype.element_ty), mask=(at < m)[:, None] & (column < n)[None, :])


def gemm(x, weight, bias, addresses, share, rank):
    (m, k), n = x.shape, len(weight)
    for rows, columns, step, warps in TILES:
        programs = triton.cdiv(m, rows) * triton.cdiv(n, columns)
        if programs >= ENOUGH:
            break
    gemm_kernel[(programs,)](
        x, weight, bias, addresses, m, n, k, share, rank, ROWS=rows, COLUMNS=columns, STEP=step,
        num_warps=warps, num_stages=2 if torch.version.hip else 3,
    )


def meet(out, rank, world_size):
    # Memory that all ranks can write to takes all of them to set up: once for each shape.
    if out.shape not in meetings:
        # Each rank's product has a place of its own. Two halves in turn: a rank that is ahead writes what another
        # does not read any more.
        mine = symmetric.empty(2, world_size, *out.shape, dtype=out.dtype, device=out.device)
        handle = symmetric.rendezvous(mine, dist.group.WORLD)
        theirs = [handle.get_remote_tensor(peer, mine.shape, out.dtype) for peer in range(world_size)]
        places = [[their[half, rank].data_ptr() for their in theirs] for half in (0, 1)]
        addresses = torch.tensor(places, dtype=torch.int64, device=out.device)
        meetings[out.shape] = handle, mine, addresses, itertools.cycle((0, 1))
    return meetings[out.shape]


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, rank, world_size, out = data
    handle, mine, addresses, halves = meet(out, rank, world_size)
    half = next(halves)
    gemm(x, weight, bias, addresses[half], len(out), rank)
    handle.barrier()
    return torch.sum(mine[half], dim=0, out=out)
