# expect: wrong_answer
# A shape that is longer than any message about it should be.
import torch


def custom_kernel(data):
    return data[0].as_strided([1] * 60_000, [0] * 60_000)
