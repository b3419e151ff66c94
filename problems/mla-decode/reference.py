"""MLA decode: inputs and the expected output."""

from __future__ import annotations

import torch
from fp32 import product
from task import KEY, VALUE, input_t

OUTPUTS = 1  # the last entry of data is the output buffer
SHARPNESS = 4.0


def generate_input(*, seed: int, device: str, batch: int, heads: int, kv: int) -> input_t:
    """q [batch, heads, 576], cache [batch, kv, 576] in bf16, lengths [batch] in int32, a buffer.

    With queries of N(0, 1) all weights are nearly 1/kv: the answer is nearly zero for long caches and
    a tolerance that suits short ones takes anything. SHARPNESS spreads the scores, so that a few keys
    matter, nobody knows which, and the answer stays large. What lies behind the end of a sequence is
    larger still: to read it shows.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    q = SHARPNESS * torch.randn((batch, heads, KEY), generator=source, device=device)
    cache = torch.randn((batch, kv, KEY), generator=source, device=device).bfloat16()
    # From half of the room to all of it, in random order: three quarters on average.
    steps = torch.linspace(kv // 2, kv, batch, device=device) if batch > 1 else None
    lengths = torch.tensor([kv * 3 // 4], device=device) if steps is None else steps.long()
    lengths = lengths[torch.randperm(batch, generator=source, device=device)].int()
    behind = torch.arange(kv, device=device) >= lengths[:, None]
    cache = torch.where(behind[:, :, None], 2 * cache, cache)
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
