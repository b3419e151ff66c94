"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""(a, b, b_scale, out): bf16 [m, k], uint8 [n, k / 2] with two e2m1 numbers in each byte,
float8_e8m0fnu [n, k / 32], and the bf16 [m, n] to be filled. All are row-major."""

output_t = torch.Tensor
"""bf16 [m, n]"""
