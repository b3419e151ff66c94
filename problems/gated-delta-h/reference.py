"""Gated delta rule, states: inputs and the expected outputs."""

from __future__ import annotations

import torch
from gated_delta import CHUNK, inverse, sequence, states, weights
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
    """k, w, u, g as a layer has them, and two output buffers."""
    source = torch.Generator(device=device).manual_seed(seed)
    _, k, v, beta, g = sequence(source, batch, length, heads, key_dim, value_dim)
    w, u = weights(k, v, beta, inverse(k, beta, g), g)
    h = torch.empty((batch, length // CHUNK, heads, key_dim, value_dim), device=device)
    return k, w, u, g, h, torch.empty_like(u)


def reference(data: input_t) -> output_t:
    """In fp64, rounded to fp32 once."""
    k, w, u, g, _, _ = data
    return states(k, w, u, g)
