# expect: passed
"""Correct, and slow: by automatic differentiation in fp64."""

import torch
from torch.nn.functional import cross_entropy

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    logits, targets, grad_loss, loss, grad = data
    wide = logits.double().requires_grad_()
    found = cross_entropy(wide, targets, reduction="none")
    found.backward(grad_loss.double())
    return loss.copy_(found.detach()), grad.copy_(wide.grad)
