#!kernelbot leaderboard fp8-quant
from task import LARGEST, SMALLEST_SCALE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, group, codes, scales = data
    grouped = x.unflatten(1, (-1, group))
    scales.copy_((grouped.abs().amax(dim=2) / LARGEST).clamp(min=SMALLEST_SCALE))
    scaled = (grouped / scales.unsqueeze(2)).clamp(-LARGEST, LARGEST)
    return codes.copy_(scaled.flatten(1)), scales
