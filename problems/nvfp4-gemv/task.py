"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""(a, b, a_scale, b_scale, out): uint8 [l, m, k / 2] and [l, k / 2], two e2m1 numbers in each byte;
float8_e4m3fn [l, m, k / 16] and [l, k / 16]; and the fp16 [l, m] to be filled. All are row-major."""

output_t = torch.Tensor
"""fp16 [l, m]"""
