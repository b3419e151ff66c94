"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""(a, b, a_scale, b_scale, out): float8_e4m3fn [m, k] and [n, k], fp32 [m, k / 128] and
[ceil(n / 128), k / 128], and the bf16 [m, n] to be filled. All are row-major."""

output_t = torch.Tensor
"""bf16 [m, n]"""
