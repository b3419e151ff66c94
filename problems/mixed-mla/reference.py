"""MLA decode over a cache in three forms: inputs, the expected output, and what may be off."""

from __future__ import annotations

import fp4
import mxfp4
import torch
from fp32 import product
from task import KEY, VALUE, input_t

OUTPUTS = 1  # the last entry of data is the output buffer

SHARPNESS = 1.75
"""The size of queries: scores are about N(0, 2^2), but for the offset."""

OFFSET = 120.0
"""The most by which all scores of a query are larger or smaller; exp takes 88."""

CARRIERS, COMMON = 8, 2.0
"""Dimensions that carry it, behind the values, and what all entries have there. A power of two is the
same in mxfp4, whatever lies in its block; queries that have 180 there fit into fp8 unscaled."""

FORMS = ("mxfp4", "fp8", "bf16")
"""Of the cache. An answer is right by any of them."""

WHOLE, ROW, ELEMENT = 0.1, 0.25, 1.5
"""What may be off: of the whole and of a head's row its norm's share, of an element its row's root
mean square. Queries and weights in fp8 take about half of it."""

RIGHT_ANSWERS = {
    "the reference on bfloat16 and float8_e4m3fn and float8_e5m2 inputs": "queries may be in fp8",
    **{
        f"the second half of input {at} along axis {axis} {how}": "the mxfp4 cache may be read instead"
        for at in (1, 2)
        for axis in range(3)
        for how in ("left out", "taken for the first")
    },
}


def generate_input(*, seed: int, device: str, batch: int, heads: int, kv: int) -> input_t:
    """q [batch, heads, 576] in bf16, the cache [batch, kv, 576] in bf16, fp8 and mxfp4, a buffer.

    With queries of N(0, 1) all weights are nearly 1/kv, and most of the answer is the query itself,
    over 24. Sharper scores let some hundred keys matter, nobody knows which. With still sharper ones
    a query in fp8 would be as wrong as one that leaves keys out.

    Every query has an offset of its own, by which all of its scores are beyond what exp takes: softmax
    does not see it, but who leaves out the largest score does. The dimensions that carry it are the same
    to the bit for all entries: however a query is rounded, the scores' differences do not move.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    q = SHARPNESS * torch.randn((batch, heads, KEY), generator=source, device=device)
    drawn = 2 * torch.rand((batch, heads, 1), generator=source, device=device) - 1
    offset = OFFSET * (drawn / 6 + (5 / 6) * drawn.sign())
    behind = torch.randperm(KEY - VALUE, generator=source, device=device)
    carriers = VALUE + behind[:CARRIERS]
    q[:, :, carriers] = offset * KEY**0.5 / (CARRIERS * COMMON)
    cache = torch.empty((batch, kv, KEY), dtype=torch.bfloat16, device=device)
    packed = torch.empty((batch, kv, KEY // 2), dtype=torch.uint8, device=device)
    scales = torch.empty((batch, kv, KEY // mxfp4.BLOCK), dtype=torch.float8_e8m0fnu, device=device)
    for at in range(batch):  # a whole cache in fp32, and what quantising needs, would be 30 GB
        cache[at] = mxfp4.drawn_numbers((kv, KEY), source, 1.0)
        cache[at][:, carriers] = COMMON
        packed[at], scales[at] = mxfp4.quantised(cache[at])
    fp8_scale = cache.abs().amax().float().reshape(1) / torch.finfo(torch.float8_e4m3fn).max
    fp8 = torch.empty(cache.shape, dtype=torch.float8_e4m3fn, device=device)
    for at in range(batch):
        fp8[at] = cache[at] / fp8_scale
    out = torch.empty((batch, heads, VALUE), dtype=torch.bfloat16, device=device)
    return q.bfloat16(), cache, fp8, fp8_scale, packed, scales, out


def reference(data: input_t) -> torch.Tensor:
    """By the smallest cache."""
    return _answer(data, "mxfp4")


def check(data: input_t, output: torch.Tensor, expected: torch.Tensor) -> str | None:
    """What is wrong, if anything.

    The answers by mxfp4 and bf16 are some 20 % apart. A tolerance that took them for equal would have
    room for much else: so an answer is held to the form that it was read from.
    """
    if not output.isfinite().all():
        return "the output has NaN or Inf"
    flaws = []
    for form in FORMS:
        right = expected if form == "mxfp4" else _answer(data, form)
        flaw = _flaw(output.float(), right.float())
        if flaw is None:
            return None
        flaws.append(f"by the {form} cache {flaw}")
    return "; ".join(flaws)


def _flaw(output: torch.Tensor, right: torch.Tensor) -> str | None:
    error, sizes = output - right, right.norm(dim=2)
    whole = error.norm() / right.norm()
    if whole > WHOLE:
        return f"the output is {whole:.1%} off in norm, {WHOLE:.0%} is allowed"
    row = (error.norm(dim=2) / sizes).max()
    if row > ROW:
        return f"a row is {row:.1%} off in norm, {ROW:.0%} is allowed"
    element = (error.abs().amax(dim=2) / sizes).max() * VALUE**0.5
    if element > ELEMENT:
        return f"an element is off by {element:.2g} times the root mean square of its row"
    return None


def _answer(data: input_t, form: str) -> torch.Tensor:
    """Attention in fp32 over one form of the cache, rounded to bf16 once; sequence by sequence."""
    q = data[0].float()
    answers = [_attention(q[at], _entries(data, form, at)) for at in range(len(q))]
    return torch.stack(answers).bfloat16()


def _entries(data: input_t, form: str, at: int) -> torch.Tensor:
    """fp32 [kv, 576] of one sequence."""
    _, bf16, fp8, fp8_scale, packed, scales, _ = data
    if form == "bf16":
        return bf16[at].float()
    if form == "fp8":
        return fp8[at].float() * fp8_scale
    return fp4.decoded(packed[at], scales[at])


def _attention(q: torch.Tensor, entries: torch.Tensor) -> torch.Tensor:
    weights = (product(q, entries.t()) * KEY**-0.5).softmax(dim=1)
    return product(weights, entries[:, :VALUE])
