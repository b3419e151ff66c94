# expect: passed
"""Correct: all experts at once, each with room for as many tokens as the most wanted one has."""

import fp4
import mxfp4
import torch
from torch.nn.functional import silu

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, gate_up, gate_up_scale, down, down_scale, shares, chosen, out = data
    expert, order = chosen.flatten().long().sort(stable=True)
    token = order // chosen.shape[1]
    counts = expert.bincount(minlength=len(gate_up))
    place = torch.arange(len(order), device=x.device) - (counts.cumsum(0) - counts)[expert]
    batch = torch.zeros((len(gate_up), int(counts.max()), x.shape[1]), device=x.device)
    batch[expert, place] = fp4.decoded(*mxfp4.quantised(x))[token]
    gate, up = (batch @ fp4.decoded(gate_up, gate_up_scale).mT).chunk(2, dim=2)
    gated = fp4.decoded(*mxfp4.quantised(silu(gate) * up))
    answers = (gated @ fp4.decoded(down, down_scale).mT)[expert, place]
    total = torch.zeros(x.shape, device=x.device)
    return out.copy_(total.index_add_(0, token, shares.flatten()[order, None] * answers))
