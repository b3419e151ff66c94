# expect: passed
import torch


@torch.inference_mode()
def custom_kernel(data):
    a, b, _ = data
    return a + b
