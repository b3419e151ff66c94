"""How long a queued run waits: measured durations, live capacity, what is ahead."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import waiting
from kernelbot.domain.waiting import Duration, Wait
from kernelbot.services.context import Context
from kernelbot.storage import fleet, queue

Durations = Mapping[tuple[int, str], Duration]

FRESH_S = 1.0
"""Capacity and run times are read once a second and process; the place in the queue each time."""
MIX_LIMIT = 1000


@dataclass(frozen=True)
class Pool:
    """What is known about one GPU's queue."""

    read_at: float
    slots: int
    busy: tuple[tuple[Duration, float], ...]
    known: Durations
    typical: Duration  # of a run that waits here


async def of_runs(
    ctx: Context, connection: AsyncConnection, runs: Sequence[Row[Any]]
) -> dict[int, Wait]:
    """The waits of those of these runs that are in the queue."""
    waits = {}
    for run in runs:
        if run.status == "queued" and run.queue_id is not None:
            waits[run.id] = await of_place(
                ctx, connection, run.gpu, run.queue_id, run.priority, run.leaderboard_id, run.mode
            )
    return waits


async def of_place(
    ctx: Context,
    connection: AsyncConnection,
    gpu: str,
    queue_id: int,
    priority: int,
    leaderboard_id: int,
    mode: str,
) -> Wait:
    """Position and range for one place in a GPU's queue."""
    ahead = await queue.ahead(connection, gpu, queue_id, priority)
    pool = await _pool(ctx, connection, gpu)
    return waiting.wait(
        _duration(pool.known, leaderboard_id, mode),
        itertools.repeat(pool.typical, ahead),
        pool.busy,
        pool.slots,
    )


async def _pool(ctx: Context, connection: AsyncConnection, gpu: str) -> Pool:
    key = f"pool:{gpu}"
    pool: Pool | None = ctx.cache.get(key)
    if pool is None or time.monotonic() - pool.read_at > FRESH_S:
        pool = ctx.cache[key] = await _read_pool(ctx, connection, gpu)
    return pool


async def _read_pool(ctx: Context, connection: AsyncConnection, gpu: str) -> Pool:
    slots = await fleet.slots(connection, ctx.alive_s)
    busy = await fleet.running(connection, gpu)
    known = await fleet.durations_on(connection, gpu)
    waiting_now = await queue.mix(connection, gpu, MIX_LIMIT)
    return Pool(
        read_at=time.monotonic(),
        slots=slots.get(gpu, 0),
        busy=tuple((_duration(known, board, mode), so_far) for board, mode, so_far in busy),
        known=known,
        typical=_typical(
            (_duration(known, board, mode), count) for board, mode, count in waiting_now
        ),
    )


def _typical(parts: Iterable[tuple[Duration, int]]) -> Duration:
    """The duration of one drawn at random from a mixture: mean and deviation of the whole."""
    counted = list(parts)
    total = sum(count for _, count in counted)
    if not total:
        return Duration()
    mean = math.fsum(item.mean_s * count for item, count in counted) / total
    square = math.fsum((item.deviation_s**2 + item.mean_s**2) * count for item, count in counted)
    deviation = math.sqrt(max(0.0, square / total - mean**2))
    return Duration(mean_s=mean, deviation_s=deviation, count=total)


def _duration(known: Durations, leaderboard_id: int, mode: str) -> Duration:
    """Of this leaderboard and mode; else of the mode anywhere on this GPU; else a wide guess."""
    exact = known.get((leaderboard_id, mode))
    if exact is not None:
        return exact
    same_mode = [value for (_, other), value in known.items() if other == mode]
    return max(same_mode, key=lambda value: value.mean_s, default=Duration())
