# expect: wrong_answer
# The right shape in another number format.
import torch


def custom_kernel(data):
    return torch.quantize_per_tensor((data[0] + data[1]).float().cpu(), 0.1, 0, torch.qint8)
