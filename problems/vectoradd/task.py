"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(a, b, out): three fp16 matrices [size, size]; out is to be filled."""

output_t = torch.Tensor
"""fp16 [size, size]"""
