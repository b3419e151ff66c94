#!kernelbot leaderboard conv2d
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def conv_kernel(
    x_ptr, w_ptr, out_ptr, channels, size, kernel, side,
    OUT: tl.constexpr, PIXELS: tl.constexpr, IN: tl.constexpr,
):
    # A tile of output channels times output pixels, summed over the kernel and the input channels.
    image = tl.program_id(2).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    to = tl.program_id(1) * OUT + tl.arange(0, OUT)
    inside = pixel < side * side
    # Neighbouring pixels are neighbours in memory, so they are the last axis of every tile but that of the weights.
    corner = x_ptr + image * channels * size * size + pixel // side * size + pixel % side
    total = tl.zeros((OUT, PIXELS), dtype=tl.float32)
    groups = tl.cdiv(channels, IN)
    # One loop in place of three: the next tiles are loaded while these are multiplied.
    for step in range(0, kernel * kernel * groups):
        tap, of = step // groups, step % groups * IN + tl.arange(0, IN)
        values = tl.load(
            corner[None, :] + (of * size + tap // kernel)[:, None] * size + tap % kernel,
            mask=(of < channels)[:, None] & inside[None, :],
            other=0.0,
        )
        weights = tl.load(
            w_ptr + (tap * channels + to[:, None]) * channels + of[None, :],
            mask=(to < channels)[:, None] & (of < channels)[None, :],
            other=0.0,
        )
        total = tl.dot(weights, values, total)
    tl.store(
        out_ptr + (image * channels + to[:, None]) * side * side + pixel[None, :],
        total,
        mask=(to < channels)[:, None] & inside[None, :],
    )


def custom_kernel(data: input_t) -> output_t:
    x, weight, out = data
    batch, channels, size, _ = x.shape
    kernel, side = weight.shape[2], out.shape[2]
    outs, pixels, ins = 64 if channels <= 64 else 128, 128, 32
    if not out.is_cuda:
        # On the CPU target Triton interprets each program in Python, so there few that just fit are better.
        outs = ins = max(16, triton.next_power_of_2(channels))
        pixels = max(16, triton.next_power_of_2(side * side))
    # For each place of the kernel a matrix of its own, [out, in]: the small tensor is put in order once.
    taps = weight.permute(2, 3, 0, 1).contiguous()
    grid = (triton.cdiv(side * side, pixels), triton.cdiv(channels, outs), batch)
    conv_kernel[grid](
        x, taps, out, channels, size, kernel, side,
        OUT=outs, PIXELS=pixels, IN=ins, num_warps=outs // 16, num_stages=3,
    )
    return out
