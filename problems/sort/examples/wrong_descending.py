# expect: wrong_answer
"""The other way round."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    out.copy_(torch.sort(values, descending=True).values)
    return out
