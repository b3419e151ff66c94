"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor]
"""(a, out): [batch, n, n] each, the second to be filled."""

output_t = torch.Tensor
"""fp32 [batch, n, n]"""
