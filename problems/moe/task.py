"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[
    torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, torch.Tensor
]
"""(x, router, gate, up, down, top, out): fp16 [tokens, hidden], [experts, hidden], twice
[experts + 1, inner, hidden] and [experts + 1, hidden, inner], the last expert being the shared one; how
many of the others a token goes to; and the fp16 [tokens, hidden] to be filled. All are row-major."""

output_t = torch.Tensor
"""fp16 [tokens, hidden]"""
