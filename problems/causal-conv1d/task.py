"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""(x, weight, bias, out): [b, d, s], [d, w], [d], and the [b, d, s] to be filled."""

output_t = torch.Tensor
"""fp32 [b, d, s]"""
