"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, ...]
"""Thirteen tensors, in this order:

x                 [batch, n, n, channels]
mask              [batch, n, n], 0.0 or 1.0
norm_weight, norm_bias                              [channels]
left, right, left_gate, right_gate, out_gate        [hidden, channels] each
out_norm_weight, out_norm_bias                      [hidden]
to_out            [channels, hidden]
out               [batch, n, n, channels], to be filled
"""

output_t = torch.Tensor
"""fp32 [batch, n, n, channels]"""
