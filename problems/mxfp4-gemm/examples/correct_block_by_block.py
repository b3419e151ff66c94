# expect: passed
"""Correct, and slow: quantised without a division or a table, multiplied block by block."""

import fp4
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, b_scale, out = data
    right = fp4.decoded(b, torch.ones_like(b_scale.float()))
    total = out.float().zero_()
    for block in range(a.shape[1] // 32):
        part = slice(32 * block, 32 * block + 32)
        numbers = a[:, part].float()
        # Frexp's mantissa is half of what the format's is; its exponent is one more.
        mantissa, exponent = numbers.abs().amax(dim=1, keepdim=True).frexp()
        scale = torch.ldexp(torch.ones_like(mantissa), exponent - 3 + (mantissa >= 0.875))
        product = (rounded(numbers / scale) @ right[:, part].t()) * scale
        total += product * b_scale[:, block].float()
    return out.copy_(total)


def rounded(x: torch.Tensor) -> torch.Tensor:
    """To steps of a half below 2, of 1 below 4, of 2 above; halves go to the even one."""
    size = x.abs()
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    return ((x / step).round() * step).clamp(-6, 6)
