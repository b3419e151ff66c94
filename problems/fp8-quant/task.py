"""Types of the data a submission gets and gives. All tensors are contiguous."""

from __future__ import annotations

import torch

LARGEST = 448.0
"""The largest number of float8_e4m3fn."""
SMALLEST_SCALE = 1e-10
"""The scale of a group of zeros, and the least there is."""

input_t = tuple[torch.Tensor, int, torch.Tensor, torch.Tensor]
"""(x, group, codes, scales): fp32 [tokens, hidden]; how many values share a scale; and
float8_e4m3fn [tokens, hidden] and fp32 [tokens, hidden / group] to be filled."""

output_t = tuple[torch.Tensor, torch.Tensor]
"""(codes, scales)"""
