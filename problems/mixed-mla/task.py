"""Types and sizes of the data a submission gets and gives."""

from __future__ import annotations

import torch

KEY = 576
"""Dimensions of a query, and of an entry of the cache."""

VALUE = 512
"""The first of them are the entry's value too."""

input_t = tuple[
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
]
"""(q, cache, fp8, fp8_scale, packed, scales, out): bf16 [batch, heads, 576]; the cache in bf16
[batch, kv, 576], in float8_e4m3fn [batch, kv, 576] with one fp32 scale [1], and in mxfp4: uint8
[batch, kv, 288], two e2m1 numbers in each byte, with float8_e8m0fnu [batch, kv, 18]; and the bf16
[batch, heads, 512] to be filled. All are contiguous."""

output_t = torch.Tensor
"""bf16 [batch, heads, 512]"""
