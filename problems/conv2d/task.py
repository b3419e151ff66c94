"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(x, weight, out): fp32 [batch, channels, size, size], fp32 [channels, channels, kernel, kernel],
and the fp32 [batch, channels, size - kernel + 1, size - kernel + 1] to be filled."""

output_t = torch.Tensor
"""fp32 [batch, channels, size - kernel + 1, size - kernel + 1]"""
