# expect: wrong_answer
"""Computes the largest group first, and leaves the results in that order."""

import fp4
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    *groups, out = data
    results = [
        fp4.decoded_tiled(a, a_scale) @ fp4.decoded_tiled(b, b_scale).t()
        for a, b, a_scale, b_scale in zip(*groups)
    ]
    results.sort(key=torch.numel, reverse=True)
    return out.copy_(torch.cat([result.flatten() for result in results]))
