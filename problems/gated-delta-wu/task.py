"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

CHUNK = 64
"""How many tokens make a chunk; every length is a multiple of it."""

input_t = tuple[torch.Tensor, ...]
"""Seven tensors, in this order:

k         [batch, length, heads, key_dim]
v         [batch, length, heads, value_dim]
beta      [batch, length, heads]
a         [batch, length, heads, CHUNK]: row t of its chunk's lower triangular matrix
g         [batch, length, heads]: sums of logarithms of gates from the beginning of the chunk
w         [batch, length, heads, key_dim], to be filled
u         [batch, length, heads, value_dim], to be filled
"""

output_t = tuple[torch.Tensor, torch.Tensor]
"""(w, u)"""
