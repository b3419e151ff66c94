# expect: wrong_answer
"""Leaves the gradient zero but for the targets: what is left out is below a wide absolute tolerance."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    logits, targets, grad_loss, loss, grad = data
    at = targets.unsqueeze(1)
    log_share = torch.log_softmax(logits.float(), dim=1).gather(1, at)
    loss.copy_(-log_share.squeeze(1))
    slope = (log_share.exp() - 1) * grad_loss.unsqueeze(1)
    return loss, grad.zero_().scatter_(1, at, slope.bfloat16())
