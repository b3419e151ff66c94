"""Types of the data a submission gets and gives. All tensors are fp32 and contiguous."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(a, vectors, values): [batch, n, n]; and [batch, n, n] and [batch, n] to be filled."""

output_t = tuple[torch.Tensor, torch.Tensor]
"""(vectors, values): fp32 [batch, n, n] and [batch, n]"""
