"""Cross-entropy, forward and backward: inputs and the expected outputs."""

from __future__ import annotations

import torch
from task import input_t, output_t

OUTPUTS = 2  # the last two entries of data are output buffers
SPREAD = 3.0
OFFSET = 100.0
TOGETHER = 1 << 27  # logits in fp32 at once: half a GB


def generate_input(*, seed: int, device: str, rows: int, vocab: int) -> input_t:
    """Logits, targets, the gradient of each row's loss, and two output buffers.

    Every row has an offset of its own, far beyond what exp takes: softmax does not see it, but who
    leaves out the row's maximum does.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    logits = torch.empty((rows, vocab), dtype=torch.bfloat16, device=device)
    for part in logits.split(max(1, TOGETHER // vocab)):
        drawn = torch.randn(part.shape, generator=source, device=device)
        offset = 2 * torch.rand((len(part), 1), generator=source, device=device) - 1
        part.copy_(SPREAD * drawn + OFFSET * offset)
    targets = torch.randint(0, vocab, (rows,), generator=source, device=device)
    grad_loss = torch.randn(rows, generator=source, device=device)
    loss = torch.empty(rows, device=device)
    return logits, targets, grad_loss, loss, torch.empty_like(logits)


def reference(data: input_t) -> output_t:
    """In fp32; the gradient is rounded to bf16 once."""
    logits, targets, grad_loss, _, _ = data
    loss, grad = torch.empty_like(grad_loss), torch.empty_like(logits)
    step = max(1, TOGETHER // logits.shape[1])
    for first in range(0, len(logits), step):
        part = slice(first, first + step)
        wide = logits[part].float()
        at = targets[part].unsqueeze(1)
        total = torch.logsumexp(wide, dim=1, keepdim=True)
        loss[part] = (total - wide.gather(1, at)).squeeze(1)
        share = (wide - total).exp_()
        share.scatter_add_(1, at, torch.full_like(total, -1.0))
        grad[part] = share.mul_(grad_loss[part].unsqueeze(1))
    return loss, grad
