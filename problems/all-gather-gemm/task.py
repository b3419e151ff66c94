"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, int, int, torch.Tensor]
"""(x, weight, bias, rank, world_size, out): bf16 [m / world_size, k] and [n / world_size, k], bf16
[n / world_size] or None, and the bf16 [m, n / world_size] to be filled. All are row-major, and of this rank."""

output_t = torch.Tensor
"""bf16 [m, n / world_size]"""
