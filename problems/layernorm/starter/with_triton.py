#!kernelbot leaderboard layernorm
import triton
import triton.language as tl

from task import EPS, input_t, output_t


@triton.jit
def rows_kernel(
    x_ptr, weight_ptr, bias_ptr, out_ptr, rows, hidden, eps, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    # Some rows, which stay in registers between their mean, their spread and the result.
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    at = tl.arange(0, BLOCK)[None, :]
    inside = (row < rows) & (at < hidden)
    x = tl.load(x_ptr + row * hidden + at, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=1) / hidden
    centred = tl.where(inside, x - mean[:, None], 0.0)
    variance = tl.sum(centred * centred, axis=1) / hidden
    scale = 1.0 / tl.sqrt(variance + eps)
    weight = tl.load(weight_ptr + at, mask=at < hidden, other=0.0)
    bias = tl.load(bias_ptr + at, mask=at < hidden, other=0.0)
    y = centred * scale[:, None] * weight + bias
    tl.store(out_ptr + row * hidden + at, y.to(tl.bfloat16), mask=inside)


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    rows, hidden = x.shape
    block = triton.next_power_of_2(hidden)
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    together = 1 if x.is_cuda else triton.cdiv(1 << 18, block)
    rows_kernel[(triton.cdiv(rows, together),)](
        x, weight, bias, out, rows, hidden, EPS, ROWS=together, BLOCK=block,
        num_warps=max(4, min(16, block // 512)),
    )
    return out
