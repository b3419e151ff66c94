"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

CHUNK = 64
"""How many tokens make a chunk; every length is a multiple of it."""

input_t = tuple[torch.Tensor, ...]
"""Six tensors, in this order:

k, w      [batch, length, heads, key_dim]
u         [batch, length, heads, value_dim]
g         [batch, length, heads]: sums of logarithms of gates from the beginning of the chunk
h         [batch, length / CHUNK, heads, key_dim, value_dim], to be filled
v_new     [batch, length, heads, value_dim], to be filled
"""

output_t = tuple[torch.Tensor, torch.Tensor]
"""(h, v_new)"""
