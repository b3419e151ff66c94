# expect: wrong_answer
"""Divides the shares of the chosen experts by their sum."""

import torch
from torch.nn.functional import silu

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, router, gate, up, down, top, out = data
    shares = (x.float() @ router.float().t()).softmax(dim=1)
    best = shares.topk(top, dim=1)
    shares = torch.zeros_like(shares).scatter_(1, best.indices, best.values / best.values.sum(dim=1, keepdim=True))
    total = ((silu(x @ gate[-1].t()) * (x @ up[-1].t())) @ down[-1].t()).float()
    for expert, share in enumerate(shares.t()):
        gated = silu(x @ gate[expert].t()) * (x @ up[expert].t())
        total += share[:, None] * (gated @ down[expert].t())
    return out.copy_(total)
