"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(a, b, out): fp16 [m, k], fp16 [k, n], and the fp16 [m, n] to be filled."""

output_t = torch.Tensor
"""fp16 [m, n]"""
