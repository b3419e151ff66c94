"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[
    torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor
]
"""(a, b1, b2, a_scale, b1_scale, b2_scale, out): uint8 [m, k / 2] and twice [n, k / 2], two e2m1
numbers in each byte; float8_e4m3fn [m / 128, k / 64, 32, 4, 4] and twice [n / 128, k / 64, 32, 4, 4],
divisions rounded up; and the fp16 [m, n] to be filled. All are row-major."""

output_t = torch.Tensor
"""fp16 [m, n]"""
