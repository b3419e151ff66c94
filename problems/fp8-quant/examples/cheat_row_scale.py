# expect: wrong_answer
"""One scale for each row, written down for every group of it."""

from task import LARGEST, SMALLEST_SCALE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    scale = (x.abs().amax(dim=1, keepdim=True) / LARGEST).clamp(min=SMALLEST_SCALE)
    return codes.copy_(x / scale), scales.copy_(scale.expand(scales.shape))
