"""How long a queued run waits: measured durations, live capacity, what is ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import waiting
from kernelbot.domain.waiting import Duration, Wait
from kernelbot.storage import fleet, queue

Durations = Mapping[tuple[int, str], Duration]


async def of_run(connection: AsyncConnection, run: Row[Any], alive_s: float) -> Wait | None:
    """Position and range for one run; None when it is not in the queue."""
    if run.status != "queued" or run.queue_id is None:
        return None
    before = await queue.ahead(connection, run.gpu, run.queue_id, run.priority)
    slots = await fleet.slots(connection, alive_s)
    busy = await fleet.running(connection, run.gpu)
    known = await fleet.durations_on(connection, run.gpu)
    return waiting.wait(
        _duration(known, run.leaderboard_id, run.mode),
        _flat(known, before),
        [(_duration(known, board, mode), so_far) for board, mode, so_far in busy],
        slots.get(run.gpu, 0),
    )


async def of_runs(
    connection: AsyncConnection, runs: Sequence[Row[Any]], alive_s: float
) -> dict[int, Wait]:
    waits = {run.id: await of_run(connection, run, alive_s) for run in runs}
    return {run_id: wait for run_id, wait in waits.items() if wait is not None}


def _flat(known: Durations, before: Sequence[tuple[int, str, int]]) -> list[Duration]:
    return [_duration(known, board, mode) for board, mode, count in before for _ in range(count)]


def _duration(known: Durations, leaderboard_id: int, mode: str) -> Duration:
    """Of this leaderboard and mode; else of the mode anywhere on this GPU; else a wide guess."""
    exact = known.get((leaderboard_id, mode))
    if exact is not None:
        return exact
    same_mode = [value for (_, other), value in known.items() if other == mode]
    return max(same_mode, key=lambda value: value.mean_s, default=Duration())
