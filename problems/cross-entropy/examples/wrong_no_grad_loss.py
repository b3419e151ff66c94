# expect: wrong_answer
"""Takes the gradient of each loss for one."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    logits, targets, _, loss, grad = data
    log_share = torch.log_softmax(logits.float(), dim=1)
    at = targets.unsqueeze(1)
    loss.copy_(-log_share.gather(1, at).squeeze(1))
    share = log_share.exp()
    return loss, grad.copy_(share.scatter(1, at, share.gather(1, at) - 1))
