#!kernelbot leaderboard cross-entropy
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    logits, targets, grad_loss, loss, grad = data
    rows = torch.arange(len(targets), device=targets.device)
    log_share = torch.log_softmax(logits, dim=1, dtype=torch.float32)
    loss.copy_(log_share[rows, targets]).neg_()
    share = log_share.exp_()
    share[rows, targets] -= 1
    return loss, grad.copy_(share.mul_(grad_loss.unsqueeze(1)))
