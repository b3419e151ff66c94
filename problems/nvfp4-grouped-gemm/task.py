"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[
    list[torch.Tensor], list[torch.Tensor], list[torch.Tensor], list[torch.Tensor], torch.Tensor
]
"""(a, b, a_scale, b_scale, out). The lists have one tensor a group: uint8 [m, k / 2] and [n, k / 2],
two e2m1 numbers in each byte; float8_e4m3fn [m / 128, k / 64, 32, 4, 4] and [n / 128, k / 64, 32, 4, 4],
divisions rounded up. All are row-major; m, n and k are each group's own. out is fp16 [sum of m * n],
to be filled with one product [m, n] after the other."""

output_t = torch.Tensor
"""fp16 [sum of m * n]"""
