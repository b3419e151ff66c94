#!kernelbot leaderboard fp8-quant
import torch
import triton
import triton.language as tl

from task import LARGEST, SMALLEST_SCALE, input_t, output_t


@triton.jit
def quantise_kernel(
    x_ptr, codes_ptr, scales_ptr, groups, largest, smallest, GROUPS: tl.constexpr, SIZE: tl.constexpr
):
    group = tl.program_id(0).to(tl.int64) * GROUPS + tl.arange(0, GROUPS)
    at = group[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    known = group < groups
    x = tl.load(x_ptr + at, mask=known[:, None], other=0.0)
    scale = tl.maximum(tl.max(tl.abs(x), axis=1) / largest, smallest)
    scaled = tl.minimum(tl.maximum(x / scale[:, None], -largest), largest)
    tl.store(scales_ptr + group, scale, mask=known)
    tl.store(codes_ptr + at, scaled.to(codes_ptr.dtype.element_ty), mask=known[:, None])


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    # The interpreter of the CPU target has no fp8 to store, and one large program is better there.
    target = codes if x.is_cuda else torch.empty_like(x)
    together = 16 if x.is_cuda else triton.next_power_of_2(scales.numel())
    quantise_kernel[(triton.cdiv(scales.numel(), together),)](
        x, target, scales, scales.numel(), LARGEST, SMALLEST_SCALE, GROUPS=together, SIZE=group
    )
    return codes if target is codes else codes.copy_(target), scales
