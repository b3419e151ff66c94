#!kernelbot leaderboard attention
import math

import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def look(
    top, total, mixed, q, k_ptr, v_ptr, row, begin, end, length, scale,
    MASKED: tl.constexpr, CAUSAL: tl.constexpr, DIM: tl.constexpr, STEP: tl.constexpr,
):
    # What keys begin to end add to the row's largest score, sum of weights, and mixture of values.
    lane = tl.arange(0, DIM)
    for start in range(begin, end, STEP):
        at = start + tl.arange(0, STEP)
        entry = at[:, None] * DIM + lane[None, :]
        if MASKED:
            k = tl.load(k_ptr + entry, mask=at[:, None] < length, other=0.0)
            v = tl.load(v_ptr + entry, mask=at[:, None] < length, other=0.0)
        else:
            k, v = tl.load(k_ptr + entry), tl.load(v_ptr + entry)
        score = tl.dot(q, tl.trans(k))
        if MASKED:
            seen = at[None, :] < length
            if CAUSAL:
                seen = seen & (at[None, :] <= row[:, None])
            score = tl.where(seen, score, -1e30)
        higher = tl.maximum(top, tl.max(score, axis=1) * scale)
        weight = tl.exp2(score * scale - higher[:, None])
        kept = tl.exp2(top - higher)
        total = total * kept + tl.sum(weight, axis=1)
        mixed = tl.dot(weight.to(v.dtype), v, mixed * kept[:, None])
        top = higher
    return top, total, mixed


@triton.jit
def attention_kernel(
    q_ptr, k_ptr, v_ptr, out_ptr, length, group, scale,
    CAUSAL: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, STEP: tl.constexpr,
):
    # ROWS queries of one head; program_id(1) counts the heads of all sequences. The last rows, which see most of the
    # keys where attention is causal, come first, so that no long program runs alone in the end.
    head = tl.program_id(1).to(tl.int64)
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * ROWS
    row = first + tl.arange(0, ROWS)
    lane = tl.arange(0, DIM)
    place = (head * length + row[:, None]) * DIM + lane[None, :]
    q = tl.load(q_ptr + place, mask=row[:, None] < length, other=0.0)
    k_ptr += head // group * length * DIM
    v_ptr += head // group * length * DIM
    top = tl.full((ROWS,), -1e30, dtype=tl.float32)
    total = tl.zeros((ROWS,), dtype=tl.float32)
    mixed = tl.zeros((ROWS, DIM), dtype=tl.float32)
    end = tl.minimum(length, first + ROWS) if CAUSAL else length
    # Steps in which every row sees every key need no mask.
    open_end = (first if CAUSAL else length) // STEP * STEP
    top, total, mixed = look(
        top, total, mixed, q, k_ptr, v_ptr, row, 0, open_end, length, scale,
        MASKED=False, CAUSAL=CAUSAL, DIM=DIM, STEP=STEP,
    )
    top, total, mixed = look(
        top, total, mixed, q, k_ptr, v_ptr, row, open_end, end, length, scale,
        MASKED=True, CAUSAL=CAUSAL, DIM=DIM, STEP=STEP,
    )
    result = mixed / total[:, None]
    tl.store(out_ptr + place, result.to(out_ptr.dtype.element_ty), mask=row[:, None] < length)


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    batch, heads, length, dim = q.shape
    result = out
    if not q.is_cuda:  # the interpreter of the CPU target knows no products of bf16
        q, k, v, result = q.float(), k.float(), v.float(), out.float()
    rows, step = (128, 64) if q.is_cuda else (256, 256)
    # Powers of two are what the device has an instruction for: exp(x) = exp2(x * log2(e)).
    attention_kernel[(triton.cdiv(length, rows), batch * heads)](
        q, k, v, result, length, heads // k.shape[1], dim**-0.5 * math.log2(math.e),
        CAUSAL=causal, DIM=dim, ROWS=rows, STEP=step, num_warps=8,
    )
    return out if result is out else out.copy_(result)
