"""Attention: inputs and the expected output."""

from __future__ import annotations

import torch
from fp32 import product
from task import input_t

OUTPUTS = 1  # the last entry of data is the output buffer
SHARPNESS = 4.0
OFFSET = 120.0
"""The most by which all scores of a query are larger or smaller; exp takes 88."""
COMMON = 16.0
"""What all keys of a head have in one dimension."""


def generate_input(
    *,
    seed: int,
    device: str,
    batch: int,
    heads: int,
    kv_heads: int,
    length: int,
    dim: int,
    causal: bool,
) -> input_t:
    """q, k, v, whether it is causal, and an output buffer.

    With queries of N(0, 1) all weights are nearly equal: the answer is nearly zero for long sequences
    and a tolerance that suits short ones takes anything. SHARPNESS spreads the scores, so that a few
    keys matter, nobody knows which, and the answer stays large.

    Every query has an offset of its own, by which all of its scores are beyond what exp takes: softmax
    does not see it, but who leaves out the largest score does. One dimension carries it, in which the
    keys of a head are the same to the bit: however a kernel rounds, the scores' differences do not move.
    """
    source = torch.Generator(device=device).manual_seed(seed)

    def normal(count: int, scale: float = 1.0) -> torch.Tensor:
        drawn = torch.randn((batch, count, length, dim), generator=source, device=device)
        return (scale * drawn).bfloat16()

    q, k, v = normal(heads, SHARPNESS), normal(kv_heads), normal(kv_heads)
    drawn = 2 * torch.rand((batch, heads, length, 1), generator=source, device=device) - 1
    offset = OFFSET * (drawn / 6 + (5 / 6) * drawn.sign())
    carrier = torch.randint(dim, (batch, kv_heads, 1, 1), generator=source, device=device)
    k.scatter_(3, carrier.expand(-1, -1, length, -1), COMMON)
    carrier = carrier.repeat_interleave(heads // kv_heads, dim=1).expand(-1, -1, length, -1)
    q.scatter_(3, carrier, (offset * dim**0.5 / COMMON).bfloat16())
    return q, k, v, causal, torch.empty_like(q)


def reference(data: input_t) -> torch.Tensor:
    """Head by head in fp32, never TF32, rounded to bf16 once."""
    q, k, v, causal, out = data
    group = q.shape[1] // k.shape[1]
    length, dim = q.shape[2:]
    ahead = torch.ones((length, length), dtype=torch.bool, device=q.device).triu(1)
    result = torch.empty_like(out)
    for sequence in range(q.shape[0]):
        for head in range(q.shape[1]):
            keys = k[sequence, head // group].float()
            scores = product(q[sequence, head].float(), keys.mT) * dim**-0.5
            if causal:
                scores.masked_fill_(ahead, float("-inf"))
            values = v[sequence, head // group].float()
            result[sequence, head] = product(scores.softmax(dim=1), values)
    return result
