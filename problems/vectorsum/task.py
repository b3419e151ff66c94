"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor]
"""(values, out): fp32 [size], and the fp32 [1] to be filled."""

output_t = torch.Tensor
"""fp32 [1]"""
