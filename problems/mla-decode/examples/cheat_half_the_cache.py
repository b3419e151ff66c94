# expect: wrong_answer
"""Attends to the first half of the room only: half of the bytes, and the weights still sum to one."""

import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, cache, _, out = data
    keys = cache[:, : cache.shape[1] // 2].float()
    weights = (torch.bmm(q.float(), keys.transpose(1, 2)) * KEY**-0.5).softmax(dim=2)
    return out.copy_(torch.bmm(weights, keys[:, :, :VALUE]))
