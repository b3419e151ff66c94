# expect: wrong_answer
"""Attends to what lies behind the end of each sequence too."""

import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, cache, _, out = data
    keys = cache.float()
    weights = (torch.bmm(q.float(), keys.transpose(1, 2)) * KEY**-0.5).softmax(dim=2)
    return out.copy_(torch.bmm(weights, keys[:, :, :VALUE]))
