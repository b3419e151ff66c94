# expect: passed
"""Correct, and slow: all scores in memory, in fp32."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    group = q.shape[1] // k.shape[1]
    length, dim = q.shape[2:]
    keys = k.float().repeat_interleave(group, dim=1)
    scores = q.float() @ keys.mT * dim**-0.5
    if causal:
        ahead = torch.ones((length, length), dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(ahead, float("-inf"))
    return out.copy_(scores.softmax(dim=3) @ v.float().repeat_interleave(group, dim=1))
