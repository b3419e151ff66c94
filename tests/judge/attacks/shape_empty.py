# expect: wrong_answer
# A leading dimension of zero makes broadcasting comparisons vacuous.
import torch


def custom_kernel(data):
    return torch.empty((0, len(data[0])))
