"""Layer normalisation: inputs and the expected output."""

from __future__ import annotations

import torch
from task import EPS, input_t
from torch.nn.functional import layer_norm

OUTPUTS = 1  # the last entry of data is the output buffer
OFFSET = 6.0


def generate_input(*, seed: int, device: str, rows: int, hidden: int) -> input_t:
    """x, weight, bias and an output buffer.

    Rows differ in spread by a factor of up to 100, and their means are up to OFFSET spreads away from
    zero: neither can be left out or taken from another row, and the difference of two large sums of
    squares shows its rounding.
    """
    source = torch.Generator(device=device).manual_seed(seed)

    def even(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(shape, generator=source, device=device) - 1

    x = torch.randn((rows, hidden), generator=source, device=device) + OFFSET * even(rows, 1)
    x = (x * 10 ** even(rows, 1)).bfloat16()
    return x, 1 + 0.5 * even(hidden), even(hidden), torch.empty_like(x)


def reference(data: input_t) -> torch.Tensor:
    """In fp32, rounded to bf16 once."""
    x, weight, bias, _ = data
    return layer_norm(x.float(), x.shape[1:], weight, bias, EPS).bfloat16()
