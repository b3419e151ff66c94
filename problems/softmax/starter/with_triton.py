#!kernelbot leaderboard softmax
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def rows_kernel(x_ptr, out_ptr, rows, columns, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    # Some rows: largest value and sum in the first pass, shares in the second.
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    top = tl.full((ROWS, BLOCK), -1e30, dtype=tl.float32)
    total = tl.zeros((ROWS, BLOCK), dtype=tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)[None, :]
        inside = (row < rows) & (at < columns)
        x = tl.load(x_ptr + row * columns + at, mask=inside, other=-1e30)
        higher = tl.maximum(top, x)
        total = total * tl.exp(top - higher) + tl.exp(x - higher)
        top = higher
    highest = tl.max(top, axis=1)[:, None]
    whole = tl.sum(total * tl.exp(top - highest), axis=1)[:, None]
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)[None, :]
        inside = (row < rows) & (at < columns)
        x = tl.load(x_ptr + row * columns + at, mask=inside, other=-1e30)
        tl.store(out_ptr + row * columns + at, tl.exp(x - highest) / whole, mask=inside)


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    rows, columns = x.shape
    # On the CPU target Triton interprets each step in Python, so there few large ones are better.
    lanes = 4096 if x.is_cuda else 65536
    block = min(lanes, triton.next_power_of_2(columns))
    together = min(lanes // block, triton.next_power_of_2(rows))
    rows_kernel[(triton.cdiv(rows, together),)](
        x, out, rows, columns, ROWS=together, BLOCK=block
    )
    return out
