#!kernelbot leaderboard grayscale
import triton
import triton.language as tl

from task import input_t, output_t


@triton.jit
def gray_kernel(image_ptr, out_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    red = tl.load(image_ptr + 3 * at, mask=inside)
    green = tl.load(image_ptr + 3 * at + 1, mask=inside)
    blue = tl.load(image_ptr + 3 * at + 2, mask=inside)
    tl.store(out_ptr + at, 0.2989 * red + 0.5870 * green + 0.1140 * blue, mask=inside)


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    count = out.numel()
    # On the CPU target Triton interprets each program in Python, so there few large ones are better.
    block = 1024 if out.is_cuda else 65536
    gray_kernel[(triton.cdiv(count, block),)](image, out, count, BLOCK=block)
    return out
