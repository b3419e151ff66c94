# expect: wrong_answer
"""Keeps queries and cache in fp8, which is half of the bytes."""

import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, cache, lengths, out = data
    q, keys = (tensor.to(torch.float8_e4m3fn).float() for tensor in (q, cache))
    scores = torch.bmm(q, keys.transpose(1, 2)) * KEY**-0.5
    behind = torch.arange(keys.shape[1], device=keys.device) >= lengths[:, None]
    weights = scores.masked_fill_(behind[:, None, :], float("-inf")).softmax(dim=2)
    return out.copy_(torch.bmm(weights, keys[:, :, :VALUE]))
