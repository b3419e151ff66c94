#!kernelbot leaderboard attention
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def attention_kernel(
    q_ptr, k_ptr, v_ptr, out_ptr, length, group, scale,
    CAUSAL: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, STEP: tl.constexpr,
):
    # ROWS queries of one head; program_id(1) counts the heads of all sequences.
    head = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    lane = tl.arange(0, DIM)
    place = (head * length + row[:, None]) * DIM + lane[None, :]
    q = tl.load(q_ptr + place, mask=row[:, None] < length, other=0.0)
    top = tl.full((ROWS,), -1e30, dtype=tl.float32)
    total = tl.zeros((ROWS,), dtype=tl.float32)
    mixed = tl.zeros((ROWS, DIM), dtype=tl.float32)
    end = length
    if CAUSAL:
        end = tl.minimum(length, tl.program_id(0) * ROWS + ROWS)
    for start in range(0, end, STEP):
        at = start + tl.arange(0, STEP)
        entry = (head // group * length + at[:, None]) * DIM + lane[None, :]
        k = tl.load(k_ptr + entry, mask=at[:, None] < length, other=0.0)
        v = tl.load(v_ptr + entry, mask=at[:, None] < length, other=0.0)
        seen = at[None, :] < length
        if CAUSAL:
            seen = seen & (at[None, :] <= row[:, None])
        score = tl.where(seen, tl.dot(q, tl.trans(k)) * scale, -1e30)
        higher = tl.maximum(top, tl.max(score, axis=1))
        weight = tl.exp(score - higher[:, None])
        kept = tl.exp(top - higher)
        total = total * kept + tl.sum(weight, axis=1)
        mixed = mixed * kept[:, None] + tl.dot(weight.to(v.dtype), v)
        top = higher
    result = mixed / total[:, None]
    tl.store(out_ptr + place, result.to(out_ptr.dtype.element_ty), mask=row[:, None] < length)


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    batch, heads, length, dim = q.shape
    result = out
    if not q.is_cuda:  # the interpreter of the CPU target knows no products of bf16
        q, k, v, result = q.float(), k.float(), v.float(), out.float()
    rows, step = (128, 64) if q.is_cuda else (256, 256)
    attention_kernel[(triton.cdiv(length, rows), batch * heads)](
        q, k, v, result, length, heads // k.shape[1], dim**-0.5,
        CAUSAL=causal, DIM=dim, ROWS=rows, STEP=step, num_warps=8,
    )
    return out if result is out else out.copy_(result)
