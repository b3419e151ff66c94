"""MXFP4 mixture of experts: inputs, the expected output, and how far an answer may be from it."""

from __future__ import annotations

import math

import fp4
import mxfp4
import torch
from fp32 import product
from task import input_t
from torch.nn.functional import silu

OUTPUTS = 1  # the last entry of data is the output buffer

ROUTED = 2.5
"""What the shares of a token's routed experts sum to; the shared one has 1."""

WHOLE, ROW, ELEMENT = 0.02, 0.1, 0.25
"""What may be off: of the whole and of a row its norm's share, of an element this much and a tenth."""


def generate_input(
    *, seed: int, device: str, tokens: int, experts: int, top: int, hidden: int, inner: int
) -> input_t:
    """x in bf16, the experts' weights in fp4, where each token goes, and a bf16 buffer.

    What enters a gate is about N(0, 1) for every width.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    unit = hidden**-0.5 / (fp4.RMS * mxfp4.SPREAD)
    x = mxfp4.drawn_numbers((tokens, hidden), source, unit)
    gate_up = fp4.drawn((experts + 1, 2 * inner, hidden // 2), source)
    gate_up_scale = mxfp4.drawn_scales((*gate_up.shape[:2], hidden // mxfp4.BLOCK), source)
    down = fp4.drawn((experts + 1, hidden, inner // 2), source)
    # Outputs are about 1: inner numbers of 0.6 and the shares come together here.
    exponent = round(-math.log2(0.9 * inner**0.5 * fp4.RMS * mxfp4.SPREAD))
    down_scale = mxfp4.drawn_scales((*down.shape[:2], inner // mxfp4.BLOCK), source, exponent)
    routes = _routes(tokens, experts, top, source)
    return x, gate_up, gate_up_scale, down, down_scale, *routes, torch.empty_like(x)


def _routes(
    tokens: int, experts: int, top: int, source: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """shares and chosen [tokens, top + 1]. One expert, nobody knows which, is wanted by every other token."""
    device = source.device
    liking = torch.rand((tokens, experts), generator=source, device=device)
    wanted = torch.randint(experts, (1,), generator=source, device=device)
    liking[::2] += torch.nn.functional.one_hot(wanted, experts)
    routed = liking.topk(top, dim=1).indices
    routed = routed.gather(1, torch.rand(routed.shape, generator=source, device=device).argsort(1))
    weights = torch.rand((tokens, top), generator=source, device=device) + 0.5
    shares = ROUTED * weights / weights.sum(dim=1, keepdim=True)
    shared = torch.full((tokens, 1), experts, device=device)
    chosen = torch.cat([routed, shared], dim=1).int()
    return torch.cat([shares, torch.ones_like(shares[:, :1])], dim=1), chosen


def reference(data: input_t) -> torch.Tensor:
    """Quantised where fp4 is asked for, all else in fp32, rounded to bf16 once."""
    x, gate_up, gate_up_scale, down, down_scale, shares, chosen, _ = data
    tokens = fp4.decoded(*mxfp4.quantised(x))
    total = torch.zeros_like(tokens)
    for expert in range(len(gate_up)):
        rows, places = (chosen == expert).nonzero(as_tuple=True)
        if not len(rows):
            continue
        weights = fp4.decoded(gate_up[expert], gate_up_scale[expert])
        gate, up = product(tokens[rows], weights.t()).chunk(2, dim=1)
        gated = fp4.decoded(*mxfp4.quantised(silu(gate) * up))
        answer = product(gated, fp4.decoded(down[expert], down_scale[expert]).t())
        total[rows] += shares[rows, places, None] * answer
    return total.bfloat16()


def check(data: input_t, output: torch.Tensor, expected: torch.Tensor) -> str | None:
    """What is wrong, if anything.

    Sums in another order differ in their last bits, and where one lies halfway between two numbers of
    fp4, a whole step follows, in all of a token's outputs. A tolerance for each element would have to
    allow that everywhere; so the whole is held to what a few such steps make, and each row and
    element to what one can.
    """
    right = expected.float()
    error = output.float() - right
    if not error.isfinite().all():
        return "the output has NaN or Inf"
    whole = error.norm() / right.norm()
    if whole > WHOLE:
        return f"the output is {whole:.2%} off in norm, {WHOLE:.0%} is allowed"
    worst, row = (error.norm(dim=1) / right.norm(dim=1)).max(dim=0)
    if worst > ROW:
        return f"row {row} is {worst:.1%} off in norm, {ROW:.0%} is allowed"
    far = int((error.abs() > ELEMENT + 0.1 * right.abs()).sum())
    if far:
        return f"{far} elements are off by more than {ELEMENT} and a tenth of their value"
    return None
