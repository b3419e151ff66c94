# expect: passed
"""Correct, and slow: a window for every output, weighted and summed."""

from torch.nn.functional import pad

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    taps = weight.shape[1]
    windows = pad(x, (taps - 1, 0)).unfold(2, taps, 1).contiguous()
    return out.copy_((windows * weight[:, None]).sum(dim=3) + bias[:, None])
