"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

CHUNK = 64
"""How many tokens make a chunk; every length is a multiple of it."""

input_t = tuple[torch.Tensor, ...]
"""Six tensors, in this order:

q, k      [batch, length, heads, key_dim]
v_new     [batch, length, heads, value_dim]
h         [batch, length / CHUNK, heads, key_dim, value_dim]: the state before each chunk
g         [batch, length, heads]: sums of logarithms of gates from the beginning of the chunk
out       [batch, length, heads, value_dim], to be filled
"""

output_t = torch.Tensor
"""fp32 [batch, length, heads, value_dim]"""
