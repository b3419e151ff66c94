"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

BLOCK = 32
"""How many values of a token an expert mixes with each other."""

input_t = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, int, torch.Tensor]
"""(x, chosen, shares, experts, rank, world_size, out): fp16 [tokens, hidden]; int32 and fp32 [tokens, top];
fp16 [experts / world_size, hidden / 32, 32, 32], those that this rank owns; and the fp16 [tokens, hidden]
to be filled. All are row-major, and of this rank."""

output_t = torch.Tensor
"""fp16 [tokens, hidden]"""
