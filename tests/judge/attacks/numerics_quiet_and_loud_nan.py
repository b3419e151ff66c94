# expect: wrong_answer
# Every second element another kind of not-a-number, or an infinity of the right sign.
import torch


def custom_kernel(data):
    a, b, _ = data
    right = a + b
    right.view(torch.int32)[::4] = 0x7FA00000
    right.view(torch.int32)[1::4] = -0x00400000
    right[2::4] = right[2::4].sign() * float("inf")
    return right
