# expect: wrong_answer
"""Works in fp16, which holds no share below 6e-8: a wide absolute tolerance would not see it."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    return out.copy_(x.half().softmax(dim=1))
