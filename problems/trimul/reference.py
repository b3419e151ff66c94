"""Triangle multiplicative update: inputs and the expected output."""

from __future__ import annotations

import math

import torch
from fp32 import product
from task import input_t
from torch.nn.functional import layer_norm

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *,
    seed: int,
    device: str,
    n: int,
    batch: int,
    channels: int,
    hidden: int,
    masked: bool,
    distribution: str,
) -> input_t:
    """x, mask, ten weights and an output buffer; see task.py.

    The weights are scaled so that projections and output are about N(0, 1), and gates far from 0 and
    1: every one of them shows in the output.
    """
    source = torch.Generator(device=device).manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(shape, generator=source, device=device) * scale

    x = normal(batch, n, n, channels)
    if distribution == "cauchy":
        x = x / normal(batch, n, n, channels).abs().clamp_(min=1e-4)
    mask = torch.ones((batch, n, n), device=device)
    if masked:
        mask = torch.randint(0, 2, (batch, n, n), generator=source, device=device).float()
    into, back = 1 / math.sqrt(channels), 2 / math.sqrt(hidden)
    norms = [1 + normal(size, scale=0.3) if at % 2 == 0 else normal(size, scale=0.3)
             for at, size in enumerate((channels, channels, hidden, hidden))]  # fmt: skip
    projections = [normal(hidden, channels, scale=into) for _ in range(5)]
    to_out = normal(channels, hidden, scale=back)
    out = torch.empty_like(x)
    return (x, mask, norms[0], norms[1], *projections, norms[2], norms[3], to_out, out)


def reference(data: input_t) -> torch.Tensor:
    """Step by step in fp32."""
    (
        x, mask, norm_weight, norm_bias, left, right, left_gate, right_gate, out_gate,
        out_norm_weight, out_norm_bias, to_out, _,
    ) = data  # fmt: skip
    x = layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    shown = mask.unsqueeze(-1)
    one = product(x, left.t()) * shown * product(x, left_gate.t()).sigmoid()
    other = product(x, right.t()) * shown * product(x, right_gate.t()).sigmoid()
    both = product(one.movedim(3, 1), other.movedim(3, 1).mT).movedim(1, 3)
    both = layer_norm(both, both.shape[-1:], out_norm_weight, out_norm_bias)
    return product(both * product(x, out_gate.t()).sigmoid(), to_out.t())
