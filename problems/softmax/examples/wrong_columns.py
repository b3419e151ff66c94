# expect: wrong_answer
"""Along the other axis."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    return out.copy_(x.softmax(dim=0))
