# expect: wrong_answer
"""Takes blue for red: the channels in the order of another library."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    blue, green, red = image.unbind(dim=2)
    out.copy_(0.2989 * red + 0.5870 * green + 0.1140 * blue)
    return out
