#!kernelbot leaderboard trimul
import torch
import triton
import triton.language as tl
from torch.nn.functional import layer_norm, linear

from task import input_t, output_t


@triton.jit
def gate_kernel(
    projected_ptr, mask_ptr, one_ptr, other_ptr, pairs, hidden, width,
    PAIRS: tl.constexpr, HIDDEN: tl.constexpr,
):
    # Gates and masks a stretch of pairs, and turns [pair, channel] into fp16 [channel, pair].
    image = tl.program_id(2).to(tl.int64)
    pair = tl.program_id(0) * PAIRS + tl.arange(0, PAIRS)
    channel = tl.program_id(1) * HIDDEN + tl.arange(0, HIDDEN)
    inside = (pair[:, None] < pairs) & (channel[None, :] < hidden)
    shown = tl.load(mask_ptr + image * pairs + pair, mask=pair < pairs, other=0.0)
    read = projected_ptr + (image * pairs + pair[:, None]) * width + channel[None, :]
    write = (image * hidden + channel[None, :]) * pairs + pair[:, None]
    for side in tl.static_range(2):
        value = tl.load(read + side * hidden, mask=inside, other=0.0)
        gate = tl.load(read + (side + 2) * hidden, mask=inside, other=0.0)
        value = value * shown[:, None] / (1.0 + tl.exp(-gate))
        target = one_ptr if side == 0 else other_ptr
        tl.store(target + write, value.to(tl.float16), mask=inside)


def custom_kernel(data: input_t) -> output_t:
    (
        x, mask, norm_weight, norm_bias, left, right, left_gate, right_gate, out_gate,
        out_norm_weight, out_norm_bias, to_out, out,
    ) = data
    batch, n, _, _ = x.shape
    hidden = left.shape[0]
    y = layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    projected = linear(y, torch.cat([left, right, left_gate, right_gate, out_gate]))
    one = torch.empty((batch, hidden, n, n), dtype=torch.float16, device=x.device)
    other = torch.empty_like(one)
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    pairs, channels = (64, 32) if x.is_cuda else (1024, 32)
    grid = (triton.cdiv(n * n, pairs), triton.cdiv(hidden, channels), batch)
    gate_kernel[grid](
        projected, mask, one, other, n * n, hidden, 5 * hidden, PAIRS=pairs, HIDDEN=channels
    )
    both = torch.matmul(one, other.transpose(2, 3)).permute(0, 2, 3, 1)
    both = layer_norm(both.float(), (hidden,), out_norm_weight, out_norm_bias)
    return out.copy_(linear(both * projected[..., 4 * hidden :].sigmoid(), to_out))
