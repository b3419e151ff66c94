"""Gated delta rule, output: inputs and the expected output."""

from __future__ import annotations

import torch
from gated_delta import inverse, output, sequence, states, weights
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer


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
    """q, k, v_new, h, g as a layer has them, and an output buffer."""
    source = torch.Generator(device=device).manual_seed(seed)
    q, k, v, beta, g = sequence(source, batch, length, heads, key_dim, value_dim)
    w, u = weights(k, v, beta, inverse(k, beta, g), g)
    h, v_new = states(k, w, u, g)
    return q, k, v_new, h, g, torch.empty_like(v_new)


def reference(data: input_t) -> torch.Tensor:
    """In fp64, rounded to fp32 once."""
    q, k, v_new, h, g, _ = data
    return output(q, k, v_new, h, g)
