# expect: passed
"""Correct, and slow: channel by channel, each intermediate in memory, in fp64."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    red, green, blue = (image[:, :, channel].double() for channel in range(3))
    gray = red * 0.2989
    gray = gray + green * 0.5870
    gray = gray + blue * 0.1140
    return gray.float()
