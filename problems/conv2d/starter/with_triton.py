#!kernelbot leaderboard conv2d
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def conv_kernel(
    x_ptr, w_ptr, out_ptr, channels, size, kernel, side,
    PIXELS: tl.constexpr, OUT: tl.constexpr, IN: tl.constexpr,
):
    # A tile of output pixels times output channels, summed over the kernel and the input channels.
    image = tl.program_id(2).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    to = tl.program_id(1) * OUT + tl.arange(0, OUT)
    y, x = pixel // side, pixel % side
    inside = pixel < side * side
    image_ptr = x_ptr + image * channels * size * size
    total = tl.zeros((PIXELS, OUT), dtype=tl.float32)
    for i in range(0, kernel):
        for j in range(0, kernel):
            for start in range(0, channels, IN):
                of = start + tl.arange(0, IN)
                values = tl.load(
                    image_ptr + of[None, :] * size * size + (y + i)[:, None] * size + (x + j)[:, None],
                    mask=inside[:, None] & (of[None, :] < channels),
                    other=0.0,
                )
                weights = tl.load(
                    w_ptr + ((to[None, :] * channels + of[:, None]) * kernel + i) * kernel + j,
                    mask=(to[None, :] < channels) & (of[:, None] < channels),
                    other=0.0,
                )
                total = tl.dot(values, weights, total)
    tl.store(
        out_ptr + (image * channels + to[None, :]) * side * side + pixel[:, None],
        total,
        mask=inside[:, None] & (to[None, :] < channels),
    )


def custom_kernel(data: input_t) -> output_t:
    x, weight, out = data
    batch, channels, size, _ = x.shape
    kernel, side = weight.shape[2], out.shape[2]
    pixels, outs, ins = 128, 64, 32
    if not out.is_cuda:
        # On the CPU target Triton interprets each program in Python, so there few large ones are better.
        pixels = max(16, triton.next_power_of_2(side * side))
    grid = (triton.cdiv(side * side, pixels), triton.cdiv(channels, outs), batch)
    conv_kernel[grid](
        x, weight, out, channels, size, kernel, side, PIXELS=pixels, OUT=outs, IN=ins
    )
    return out
