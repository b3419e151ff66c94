# expect: wrong_answer
"""Sums over half of the logits and doubles it: the other half is much the same on average."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    logits, targets, grad_loss, loss, grad = data
    wide = logits.float()
    total = torch.logsumexp(wide[:, ::2], dim=1, keepdim=True) + 0.6931472
    at = targets.unsqueeze(1)
    loss.copy_((total - wide.gather(1, at)).squeeze(1))
    share = (wide - total).exp()
    share.scatter_(1, at, share.gather(1, at) - 1)
    return loss, grad.copy_(share * grad_loss.unsqueeze(1))
