# expect: passed
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    out.copy_(torch.sort(values).values)
    return out
