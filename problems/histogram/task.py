"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor]
"""(values, out): uint8 [size], and the int64 [256] to be filled."""

output_t = torch.Tensor
"""int64 [256]"""
