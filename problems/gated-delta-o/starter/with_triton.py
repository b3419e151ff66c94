#!kernelbot leaderboard gated-delta-o
import triton
import triton.language as tl

from task import CHUNK, input_t, output_t


@triton.jit
def rounded(x):
    # TF32 has 10 bits behind the point, and tensor cores cut off the rest; rounded first, half of the error is left.
    return ((x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def output_kernel(
    q_ptr, k_ptr, fresh_ptr, h_ptr, g_ptr, out_ptr, heads, value_dim, scale,
    CHUNK: tl.constexpr, KEY: tl.constexpr, VALUE: tl.constexpr,
):
    # VALUE columns of one chunk of one head; a row of each tensor but h begins at a token and its head.
    head, chunk = tl.program_id(1), tl.program_id(2).to(tl.int64)
    token = tl.arange(0, CHUNK)
    row = (chunk * CHUNK + token) * heads + head
    lane, column = tl.arange(0, KEY), tl.program_id(0) * VALUE + tl.arange(0, VALUE)
    key, value = row[:, None] * KEY + lane[None, :], row[:, None] * value_dim + column[None, :]
    state = ((chunk * heads + head) * KEY + lane[:, None]) * value_dim + column[None, :]
    q, k = tl.load(q_ptr + key), tl.load(k_ptr + key)
    h, fresh = tl.load(h_ptr + state), tl.load(fresh_ptr + value)
    g = tl.load(g_ptr + row)
    # "ieee" would leave the tensor cores out, for many times the time; the tolerance does not ask for it.
    q = rounded(q)
    past = tl.dot(q, rounded(h), input_precision="tf32") * tl.exp(g)[:, None]
    score = tl.dot(q, tl.trans(rounded(k)), input_precision="tf32")
    away = tl.where(token[:, None] >= token[None, :], g[:, None] - g[None, :], -1e30)
    present = tl.dot(rounded(score * tl.exp(away)), rounded(fresh), input_precision="tf32")
    tl.store(out_ptr + value, (past + present) * scale)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, g, out = data
    batch, length, heads, key_dim = q.shape
    value_dim = v_new.shape[3]
    # Strips keep a program's tiles in registers; those of one chunk run side by side and share its keys in the cache.
    strip = min(64, value_dim) if q.is_cuda else value_dim
    output_kernel[(value_dim // strip, heads, batch * length // CHUNK)](
        q, k, v_new, h, g, out, heads, value_dim, key_dim**-0.5,
        CHUNK=CHUNK, KEY=key_dim, VALUE=strip,
    )
    return out
