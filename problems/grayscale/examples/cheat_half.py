# expect: wrong_answer
"""Computes in fp16, which moves half the bytes."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    red, green, blue = image.half().unbind(dim=2)
    out.copy_(0.2989 * red + 0.5870 * green + 0.1140 * blue)
    return out
