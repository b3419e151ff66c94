"""MLA decode: inputs and the expected output."""

from __future__ import annotations

import torch
from fp32 import product
from task import KEY, VALUE, input_t

OUTPUTS = 1  # the last entry of data is the output buffer
SHARPNESS = 4.0
OFFSET = 120.0
"""The most by which all scores of a query are larger or smaller; exp takes 88."""
COMMON = 16.0
"""What all entries of a cache have in one dimension behind the values."""


def generate_input(*, seed: int, device: str, batch: int, heads: int, kv: int) -> input_t:
    """q [batch, heads, 576], cache [batch, kv, 576] in bf16, lengths [batch] in int32, a buffer.

    With queries of N(0, 1) all weights are nearly 1/kv: the answer is nearly zero for long caches and
    a tolerance that suits short ones takes anything. SHARPNESS spreads the scores, so that a few keys
    matter, nobody knows which, and the answer stays large. What lies behind the end of a sequence is
    larger still: to read it shows.

    Every query has an offset of its own, by which all of its scores are beyond what exp takes: softmax
    does not see it, but who leaves out the largest score does. One dimension carries it, in which the
    entries of a cache are the same to the bit: however a kernel rounds, the scores' differences do not
    move.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    q = SHARPNESS * torch.randn((batch, heads, KEY), generator=source, device=device)
    drawn = 2 * torch.rand((batch, heads, 1), generator=source, device=device) - 1
    offset = OFFSET * (drawn / 6 + (5 / 6) * drawn.sign())
    carrier = torch.randint(VALUE, KEY, (batch, 1, 1), generator=source, device=device)
    q.scatter_(2, carrier.expand(-1, heads, -1), offset * KEY**0.5 / COMMON)
    cache = torch.randn((batch, kv, KEY), generator=source, device=device).bfloat16()
    # From half of the room to all of it, in random order: three quarters on average.
    steps = torch.linspace(kv // 2, kv, batch, device=device) if batch > 1 else None
    lengths = torch.tensor([kv * 3 // 4], device=device) if steps is None else steps.long()
    lengths = lengths[torch.randperm(batch, generator=source, device=device)].int()
    behind = torch.arange(kv, device=device) >= lengths[:, None]
    cache = torch.where(behind[:, :, None], 2 * cache, cache)
    cache.scatter_(2, carrier.expand(-1, kv, -1), COMMON)
    out = torch.empty((batch, heads, VALUE), dtype=torch.bfloat16, device=device)
    return q.bfloat16(), cache, lengths, out


def reference(data: input_t) -> torch.Tensor:
    """Attention in fp32, rounded to bf16 once."""
    q, cache, lengths, _ = data
    keys = cache.float()
    scores = product(q.float(), keys.transpose(1, 2)) * KEY**-0.5
    behind = torch.arange(cache.shape[1], device=cache.device) >= lengths[:, None]
    scores = scores.masked_fill(behind[:, None, :], float("-inf"))
    return product(scores.softmax(dim=2), keys[:, :, :VALUE]).bfloat16()
