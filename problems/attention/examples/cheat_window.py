# expect: wrong_answer
"""Looks at one half of the keys, the nearer one."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    length = q.shape[2]
    at = torch.arange(length, device=q.device)
    away = at[:, None] - at[None, :]
    near = away.abs() <= length // 4
    near = near & (away >= 0) if causal else near
    grouped = q.shape[1] != k.shape[1]
    return out.copy_(scaled_dot_product_attention(q, k, v, attn_mask=near, enable_gqa=grouped))
