"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor]
"""(x, out): fp32 [rows, columns], and the fp32 [rows, columns] to be filled."""

output_t = torch.Tensor
"""fp32 [rows, columns]"""
