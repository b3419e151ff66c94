"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
]
"""(x, gate_up, gate_up_scale, down, down_scale, shares, chosen, out): bf16 [tokens, hidden]; uint8
[experts + 1, 2 * inner, hidden / 2], two e2m1 numbers in each byte, and float8_e8m0fnu
[experts + 1, 2 * inner, hidden / 32]; likewise [experts + 1, hidden, inner / 2] and
[experts + 1, hidden, inner / 32]; fp32 and int32 [tokens, top + 1]; and the bf16 [tokens, hidden] to be
filled. All are row-major. The last expert is the shared one."""

output_t = torch.Tensor
"""bf16 [tokens, hidden]"""
