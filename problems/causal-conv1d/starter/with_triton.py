#!kernelbot leaderboard causal-conv1d
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def conv_kernel(
    x_ptr, weight_ptr, bias_ptr, out_ptr, rows, d, s, taps,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):
    # ROWS channels (of all sequences, counted together), BLOCK time steps.
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    channel = row % d
    known = row < rows
    begin = row.to(tl.int64) * s
    bias = tl.load(bias_ptr + channel, mask=known, other=0.0)
    total = tl.zeros((ROWS, BLOCK), dtype=tl.float32) + bias
    for tap in range(0, taps):
        then = at - (taps - 1) + tap
        x = tl.load(x_ptr + begin + then, mask=known & (then >= 0) & (then < s), other=0.0)
        total += x * tl.load(weight_ptr + channel * taps + tap, mask=known, other=0.0)
    tl.store(out_ptr + begin + at, total, mask=known & (at < s))


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    b, d, s = x.shape
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    rows, block = (4, 512) if x.is_cuda else (256, 1024)
    conv_kernel[(triton.cdiv(b * d, rows), triton.cdiv(s, block))](
        x, weight, bias, out, b * d, d, s, weight.shape[1], ROWS=rows, BLOCK=block
    )
    return out
