# expect: wrong_answer
"""The plain mean of the three channels."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    out.copy_(image.mean(dim=2))
    return out
