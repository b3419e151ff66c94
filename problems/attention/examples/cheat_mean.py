# expect: wrong_answer
"""The mean of the values: what attention comes to where all scores are much the same."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    group, length = q.shape[1] // k.shape[1], q.shape[2]
    wide = v.float().repeat_interleave(group, dim=1)
    if causal:
        counts = torch.arange(1, length + 1, device=q.device)
        return out.copy_(wide.cumsum(dim=2) / counts[:, None])
    return out.copy_(wide.mean(dim=2, keepdim=True))
