# expect: passed
# problem: sorting
# The reference sorts in place; this gives back another tensor, and leaves rubbish in its input.
import torch


def custom_kernel(data):
    result, _ = torch.sort(data)
    data.fill_(float("nan"))
    return result
