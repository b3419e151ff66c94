# expect: wrong_answer
"""The right counts in int32, where int64 is asked for."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, _ = data
    return torch.bincount(values, minlength=256).int()
