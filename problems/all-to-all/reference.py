"""All-to-all of a mixture of experts: each rank's inputs and the expected outputs of all."""

from __future__ import annotations

import torch
from fp32 import product
from task import BLOCK, input_t

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *,
    seed: int,
    device: str,
    rank: int,
    world_size: int,
    tokens: int,
    experts: int,
    top: int,
    hidden: int,
    skew: float,
) -> input_t:
    """x, the experts that each token goes to with their shares, the experts that the rank owns, a buffer.

    An expert is more than the tokens it gets, so that it is tokens that must travel; its answer to
    them, and the output, are about N(0, 1). All ranks find the same experts popular.
    """
    shared = torch.Generator(device=device).manual_seed(seed)
    popular = (skew * torch.randn(experts, generator=shared, device=device)).exp()
    source = torch.Generator(device=device).manual_seed(seed + 1 + rank)
    x = torch.randn((tokens, hidden), generator=source, device=device).half()
    patience = torch.empty((tokens, experts), device=device).exponential_(generator=source)
    chosen = (popular / patience).topk(top, dim=1).indices.int()
    shares = (torch.rand((tokens, top), generator=source, device=device) + 0.5) * top**-0.5
    shape = (experts // world_size, hidden // BLOCK, BLOCK, BLOCK)
    owned = torch.randn(shape, generator=source, device=device).mul_(BLOCK**-0.5).half()
    return x, chosen, shares, owned, rank, world_size, torch.empty_like(x)


def reference(data: list[input_t]) -> list[torch.Tensor]:
    """All tokens by all experts, one after the other, in fp32, rounded to fp16 once."""
    x, chosen, shares, experts = (torch.cat(parts) for parts in list(zip(*data, strict=True))[:4])
    total = torch.zeros_like(x, dtype=torch.float32)
    for number, expert in enumerate(experts):
        rows, place = (chosen == number).nonzero(as_tuple=True)
        blocks = x[rows].float().unflatten(1, (-1, BLOCK)).transpose(0, 1)
        answer = product(blocks, expert.float().transpose(1, 2)).transpose(0, 1).flatten(1)
        total.index_add_(0, rows, shares[rows, place, None] * answer)
    return list(total.half().chunk(len(data)))
