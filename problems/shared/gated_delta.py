"""The gated delta rule over chunks of 64 tokens: data, and its three kernels in fp64.

decay      g[t] = sum of the logarithms of the gates from the chunk's first token to t
inverse    a = (I + tril(beta_i * (k_i . k_j) * exp(g_i - g_j), -1))^-1 in each chunk
weights    w = a (k * beta * exp(g)),  u = a (v * beta)
states     v_new = u - w h,  h' = h * exp(g_last) + k^T (v_new * exp(g_last - g))
output     o = (q h exp(g) + tril(q k^T exp(g_i - g_j)) v_new) / sqrt(dim of k)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 64
MOST_DECAY = 0.04
"""Of a token's gate, as a logarithm. A chunk then forgets about three quarters: its first token still
shows in its last one. With gates so strong that exp(g_i - g_j) underflows, most of a chunk could be
left out."""


class Sequence(NamedTuple):
    """What a layer is given, in fp32: [batch, length, heads, ...]."""

    q: Tensor  # key_dim
    k: Tensor  # key_dim; of length one
    v: Tensor  # value_dim
    beta: Tensor
    g: Tensor


def sequence(
    source: torch.Generator, batch: int, length: int, heads: int, key_dim: int, value_dim: int
) -> Sequence:
    def normal(*size: int) -> Tensor:
        shape = (batch, length, heads, *size)
        return torch.randn(shape, generator=source, device=source.device)

    q, k, v, beta = normal(key_dim), normal(key_dim), normal(value_dim), normal().sigmoid()
    gate = -MOST_DECAY * torch.rand(beta.shape, generator=source, device=source.device)
    g = gate.unflatten(1, (-1, CHUNK)).cumsum(dim=2).flatten(1, 2)
    return Sequence(q, torch.nn.functional.normalize(k, dim=-1), v, beta, g)


def chunks(x: Tensor) -> Tensor:
    """[batch, length, heads, ...] as fp64 [batch, chunks, heads, CHUNK, ...]."""
    return x.double().unflatten(1, (-1, CHUNK)).transpose(2, 3)


def whole(x: Tensor) -> Tensor:
    """What ``chunks`` was given, in fp32."""
    return x.transpose(2, 3).flatten(1, 2).float().contiguous()


def decay(g: Tensor) -> Tensor:
    """exp(g_i - g_j) for j <= i in each chunk, zeros elsewhere."""
    return (g.unsqueeze(-1) - g.unsqueeze(-2)).tril().exp().tril()


def inverse(k: Tensor, beta: Tensor, g: Tensor) -> Tensor:
    """fp32 [batch, length, heads, CHUNK]: row t of the inverse of its chunk."""
    k, beta, g = chunks(k), chunks(beta), chunks(g)
    one = torch.eye(CHUNK, dtype=k.dtype, device=k.device)
    lower = one + (beta.unsqueeze(-1) * (k @ k.mT) * decay(g)).tril(-1)
    return whole(torch.linalg.solve_triangular(lower, one.expand_as(lower), upper=False))


def weights(k: Tensor, v: Tensor, beta: Tensor, a: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """w and u."""
    k, v, beta, a, g = chunks(k), chunks(v), chunks(beta), chunks(a), chunks(g)
    w = a @ (k * (beta * g.exp()).unsqueeze(-1))
    return whole(w), whole(a @ (v * beta.unsqueeze(-1)))


def states(k: Tensor, w: Tensor, u: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """The state before each chunk, [batch, chunks, heads, key_dim, value_dim], and v_new."""
    k, w, u, g = chunks(k), chunks(w), chunks(u), chunks(g)
    batch, count, heads, _, key_dim = k.shape
    h = k.new_zeros(batch, heads, key_dim, u.shape[-1])
    before, fresh = [], []
    for at in range(count):
        before.append(h.float())
        v_new = u[:, at] - w[:, at] @ h
        fresh.append(v_new)
        last = g[:, at, :, -1:]
        left = (last - g[:, at]).exp().unsqueeze(-1)
        h = h * last.exp().unsqueeze(-1) + k[:, at].mT @ (v_new * left)
    return torch.stack(before, dim=1), whole(torch.stack(fresh, dim=1))


def output(q: Tensor, k: Tensor, v_new: Tensor, h: Tensor, g: Tensor) -> Tensor:
    q, k, v_new, g = chunks(q), chunks(k), chunks(v_new), chunks(g)
    past = (q * g.exp().unsqueeze(-1)) @ h.double()
    present = (q @ k.mT * decay(g)) @ v_new
    return whole((past + present) * q.shape[-1] ** -0.5)
