"""Mixture of experts: inputs and the expected output."""

from __future__ import annotations

import torch
from fp32 import product
from task import input_t
from torch.nn.functional import silu

OUTPUTS = 1  # the last entry of data is the output buffer

GAPS = (0.1, 0.5)
"""Between the logits of a token's experts: none are so near that rounding could swap them."""
SPREAD = 0.7
"""Some experts are more popular than others, as they are in models."""
GATED = 0.6
"""What is left of N(0, 1) behind the gate: silu(N(0, 1)) * N(0, 1) is about N(0, 0.6^2)."""


def generate_input(
    *, seed: int, device: str, tokens: int, experts: int, top: int, hidden: int, inner: int
) -> input_t:
    """x, the router, the experts' weights and an fp16 buffer [tokens, hidden].

    Every expert's answer is about N(0, 1), and so is the output.
    """
    source = torch.Generator(device=device).manual_seed(seed)

    def weights(rows: int, columns: int, unit: float) -> torch.Tensor:
        shape = (experts + 1, rows, columns)
        drawn = torch.randn(shape, generator=source, device=device)
        return drawn.mul_(unit * columns**-0.5).half()

    router = torch.randn((experts, hidden), generator=source, device=device)
    router = (router * hidden**-0.5).half()
    x = torch.randn((tokens, hidden), generator=source, device=device)
    x = _sent(x, router, _logits(tokens, experts, source))
    gate, up = weights(inner, hidden, 1.0), weights(inner, hidden, 1.0)
    down = weights(hidden, inner, 1 / GATED)
    return x, router, gate, up, down, top, torch.empty_like(x)


def _logits(tokens: int, experts: int, source: torch.Generator) -> torch.Tensor:
    """What the router shall say, fp32 [tokens, experts]: all of a token's logits apart by GAPS."""
    device, shape = source.device, (tokens, experts)
    gaps = torch.rand(shape, generator=source, device=device) * (GAPS[1] - GAPS[0]) + GAPS[0]
    ladder = gaps.cumsum(dim=1)
    popular = SPREAD * torch.randn(experts, generator=source, device=device)
    liking = popular + torch.randn(shape, generator=source, device=device)
    rank = liking.argsort(dim=1).argsort(dim=1)
    return (ladder - ladder.mean(dim=1, keepdim=True)).gather(1, rank)


def _sent(x: torch.Tensor, router: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The nearest tokens to x, in fp16, to which the router says these logits."""
    rows = router.double()
    missing = logits.double() - x.double() @ rows.t()
    return (x.double() + torch.linalg.solve(rows @ rows.t(), missing.t()).t() @ rows).half()


def reference(data: input_t) -> torch.Tensor:
    """Everything in fp32, one expert after the other, rounded to fp16 once."""
    x, router, gate, up, down, top, _ = data
    tokens = x.float()
    shares = product(tokens, router.float().t()).softmax(dim=1)
    chosen = torch.zeros_like(shares).scatter(1, shares.topk(top, dim=1).indices, 1.0)
    shares = torch.cat([shares * chosen, torch.ones_like(shares[:, :1])], dim=1)
    total = torch.zeros_like(tokens)
    for expert in range(len(gate)):
        rows = shares[:, expert].nonzero().squeeze(1)
        own = tokens[rows]
        gated = silu(product(own, gate[expert].float().t())) * product(own, up[expert].float().t())
        answer = product(gated, down[expert].float().t())
        total[rows] += shares[rows, expert, None] * answer
    return total.half()
