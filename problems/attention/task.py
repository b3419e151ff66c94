"""Types of the data a submission gets and gives. All tensors are bf16 and contiguous."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, bool, torch.Tensor]
"""(q, k, v, causal, out):

q        [batch, heads, length, dim]
k, v     [batch, kv_heads, length, dim]
causal   whether query i sees keys 0 to i only
out      [batch, heads, length, dim], to be filled
"""

output_t = torch.Tensor
"""bf16 [batch, heads, length, dim]"""
