"""Types of the data a submission gets and gives. All tensors are contiguous."""

from __future__ import annotations

import torch

EPS = 1e-5

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""(x, weight, bias, out): bf16 [rows, hidden], fp32 [hidden], fp32 [hidden], and the bf16
[rows, hidden] to be filled."""

output_t = torch.Tensor
"""bf16 [rows, hidden]"""
