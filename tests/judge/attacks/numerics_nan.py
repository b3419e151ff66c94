# expect: wrong_answer
# NaN compares false to everything, also to "too far away".
import torch


def custom_kernel(data):
    return torch.full_like(data[0], float("nan"))
