"""Types and sizes of the data a submission gets and gives."""

from __future__ import annotations

import torch

KEY = 576
"""Dimensions of a query and of an entry of the cache."""
VALUE = 512
"""The first so many dimensions of an entry are its value."""

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""(q, cache, lengths, out): bf16 [batch, heads, KEY] and [batch, kv, KEY], int32 [batch], and the
bf16 [batch, heads, VALUE] to be filled. All are contiguous."""

output_t = torch.Tensor
"""bf16 [batch, heads, VALUE]"""
