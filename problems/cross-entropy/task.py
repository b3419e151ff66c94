"""Types of the data a submission gets and gives. All tensors are contiguous."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, ...]
"""Five tensors, in this order:

logits      bf16 [rows, vocab]
targets     int64 [rows]
grad_loss   fp32 [rows]
loss        fp32 [rows], to be filled
grad        bf16 [rows, vocab], to be filled
"""

output_t = tuple[torch.Tensor, torch.Tensor]
"""(loss, grad)"""
