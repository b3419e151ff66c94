# expect: wrong_answer
"""Scales the scores by the root of 512, the width of a value."""

import torch

from task import VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, cache, lengths, out = data
    keys = cache.float()
    scores = torch.bmm(q.float(), keys.transpose(1, 2)) * VALUE**-0.5
    behind = torch.arange(cache.shape[1], device=cache.device) >= lengths[:, None]
    weights = scores.masked_fill_(behind[:, None, :], float("-inf")).softmax(dim=2)
    return out.copy_(torch.bmm(weights, keys[:, :, :VALUE]))
