"""How long a queued run waits: measured durations, live capacity, what is ahead by the rules of the queue."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.forecast import Forecast, forecast
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import PRIORITY
from kernelbot.domain.waiting import Wait, later
from kernelbot.judge.protocol import Mode
from kernelbot.services import turns
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.services.turns import Pool

FEW = 100
"""With at most so many waiting the queue is played forward for each question, else once a second."""


async def of_runs(
    ctx: Context, connection: AsyncConnection, runs: Sequence[Row[Any]]
) -> dict[int, Wait]:
    """The waits of those of these runs that are in the queue."""
    waits = {}
    for run in runs:
        if run.status == "queued" and run.queue_id is not None:
            wait = await of_place(
                ctx, connection, run.gpu, run.queue_id, run.priority, run.leaderboard_id, run.mode,
                run.user_id,
            )  # fmt: skip
            waits[run.id] = later(wait, float(run.pause_s or 0.0))
    return waits


async def of_place(
    ctx: Context,
    connection: AsyncConnection,
    gpu: str,
    queue_id: int,
    priority: int,
    leaderboard_id: int,
    mode: str,
    user_id: int,
) -> Wait:
    """Position and range for one place in a GPU's queue."""
    known = await turns.pool(ctx, connection, gpu)
    group = known.group(user_id, leaderboard_id, mode, priority, [queue_id])
    return _told((await _forecast(ctx, connection, gpu)).of(queue_id, group), known)


def _told(wait: Wait, known: Pool) -> Wait:
    """Of what is held nobody can say when it starts."""
    if not known.held:
        return wait
    return Wait(
        position=wait.position, ahead=wait.ahead, held=known.held,
        start_low_s=None, start_high_s=None, finish_low_s=None, finish_high_s=None,
    )  # fmt: skip


async def of_newcomer(ctx: Context, actor: Actor, slots: Mapping[str, int]) -> dict[str, Wait]:
    """By GPU the wait of a benchmark that this person would send now. ``slots``: what their reader is told there
    is of each."""
    last, mode = MAX_ID, Mode.BENCHMARK
    found = {}
    async with ctx.database.read() as connection:
        for gpu, told in slots.items():
            known = await turns.pool(ctx, connection, gpu)
            if known.slots != told:  # the two are read in one line
                turns.forget(ctx, gpu)
                known = await turns.pool(ctx, connection, gpu)
            group = known.group(actor.user_id, 0, mode.value, PRIORITY[mode], [last])
            found[gpu] = _told((await _forecast(ctx, connection, gpu)).of(last, group), known)
    return found


async def _forecast(ctx: Context, connection: AsyncConnection, gpu: str) -> Forecast:
    key = f"forecast:{gpu}"
    kept: tuple[float, Forecast] | None = ctx.cache.get(key)
    if kept is None or kept[1].waiting <= FEW or time.monotonic() - kept[0] > turns.FRESH_S:
        if kept is not None and kept[1].waiting > FEW:
            # One makes it anew; who asks meanwhile is told by the one before.
            ctx.cache[key] = time.monotonic(), kept[1]
        kept = time.monotonic(), forecast(await turns.state(ctx, connection, gpu))
        ctx.cache[key] = kept
    return kept[1]
