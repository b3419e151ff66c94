# expect: wrong_answer
"""Goes without the largest score: exp overflows where the scores are large, and is nothing where all are small."""

import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, cache, lengths, out = data
    keys = cache.float()
    weights = (torch.bmm(q.float(), keys.transpose(1, 2)) * KEY**-0.5).exp()
    behind = torch.arange(cache.shape[1], device=cache.device) >= lengths[:, None]
    weights = weights.masked_fill(behind[:, None, :], 0.0)
    mixed = torch.bmm(weights, keys[:, :, :VALUE])
    return out.copy_(mixed / weights.sum(dim=2, keepdim=True))
