# expect: wrong_answer
"""Takes exp of logits as they are, which are too large for it in some rows and too small in others."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    logits, targets, grad_loss, loss, grad = data
    shares = logits.float().exp()
    shares /= shares.sum(dim=1, keepdim=True)
    at = targets.unsqueeze(1)
    loss.copy_(-shares.gather(1, at).squeeze(1).log())
    shares.scatter_(1, at, shares.gather(1, at) - 1)
    return loss, grad.copy_(shares * grad_loss.unsqueeze(1))
