"""Gated delta rule, weights: inputs and the expected outputs."""

from __future__ import annotations

import torch
from gated_delta import inverse, sequence, weights
from task import input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers


def generate_input(
    *,
    seed: int,
    device: str,
    batch: int,
    length: int,
    heads: int,
    key_dim: int,
    value_dim: int,
) -> input_t:
    """k, v, beta, a, g as a layer has them, and two output buffers."""
    source = torch.Generator(device=device).manual_seed(seed)
    _, k, v, beta, g = sequence(source, batch, length, heads, key_dim, value_dim)
    return k, v, beta, inverse(k, beta, g), g, torch.empty_like(k), torch.empty_like(v)


def reference(data: input_t) -> output_t:
    """In fp64, rounded to fp32 once."""
    k, v, beta, a, g, _, _ = data
    return weights(k, v, beta, a, g)
