"""The state of a GPU kind's queue as the decision wants it, and the claim of what it decides."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import fairness
from kernelbot.domain.fairness import Group, Lanes, Level, Queue, Running
from kernelbot.domain.submission import FIRST_PRIORITY, REPEAT_PRIORITY
from kernelbot.domain.waiting import Duration
from kernelbot.judge.protocol import Mode
from kernelbot.services.context import Context
from kernelbot.storage import fleet, intake, queue, shares

Durations = Mapping[tuple[int, str], Duration]

FRESH_S = 1.0
"""Capacity, run times and weights are read once a second and process; the queue itself each time."""
SPARE = 16
"""So many more are asked for than are free: some may be locked by whoever claims at the same moment."""
MANY = 300
PLANNED = 64
PLANNED_S = 0.25
"""With more than so many waiting a process decides about so many turns at once and keeps to them for so long:
whoever comes in between waits that much longer, behind hundreds."""
PLANNED_TIMES, LONGEST_PLANNED_S = 8.0, 2.0
"""Or for so many times as long as deciding took, up to so long: a busy machine is not to spend its time deciding."""
REJUDGE_PATIENCE_S = 120.0
"""So long what is judged again waits for another worker than the one that judged it first."""


@dataclass(frozen=True)
class Pool:
    """What is known about one GPU kind apart from its queue."""

    read_at: float
    slots: int
    gpus: int
    known: Durations
    weights: Mapping[int, float]
    lanes: Lanes
    sent: Mapping[int, float]  # of what has ended already
    held: str = ""  # why nothing begins on it; empty: it does

    def expected(self, leaderboard_id: int, mode: str) -> Duration:
        """Of this leaderboard and mode; else of the mode anywhere on this GPU; else a wide guess."""
        exact = self.known.get((leaderboard_id, mode))
        if exact is not None:
            return exact
        same_mode = [value for (_, other), value in self.known.items() if other == mode]
        return max(same_mode, key=lambda value: value.mean_s, default=Duration())

    def group(
        self,
        user_id: int,
        leaderboard_id: int,
        mode: str,
        priority: int,
        places: Sequence[int],
        waited_s: float = 0.0,
    ) -> Group:
        return Group(
            account=user_id,
            mode=Mode(mode),
            places=places,
            expected=self.expected(leaderboard_id, mode),
            level=fairness.level(priority),
            weight=self.weights.get(leaderboard_id, 1.0),
            waited_s=waited_s,
        )


@dataclass
class _Plan:
    """Turns that were decided a moment ago; what is taken of them meanwhile is passed over."""

    until: float
    places: list[int]


async def pool(ctx: Context, connection: AsyncConnection, gpu: str) -> Pool:
    key = f"pool:{gpu}"
    kept: Pool | None = ctx.cache.get(key)
    if kept is None or time.monotonic() - kept.read_at > FRESH_S:
        if kept is not None:  # one reads it anew; who asks meanwhile has the one before
            ctx.cache[key] = replace(kept, read_at=time.monotonic())
        kept = ctx.cache[key] = await _read_pool(ctx, connection, gpu)
    return kept


def forget(ctx: Context, gpu: str) -> None:
    """What was known of this GPU kind is not so any more."""
    for key in (f"pool:{gpu}", f"forecast:{gpu}"):
        ctx.cache.pop(key, None)


async def _read_pool(ctx: Context, connection: AsyncConnection, gpu: str) -> Pool:
    slots = await fleet.slots(connection, ctx.alive_s)
    ended = await shares.ended(
        connection, gpu, fairness.HALF_LIFE_S, fairness.SENT_S, REPEAT_PRIORITY
    )
    target = ctx.targets.get(gpu)
    pause = await intake.of_gpu(connection, gpu)
    return Pool(
        read_at=time.monotonic(),
        slots=slots.get(gpu, 0),
        gpus=1 if target is None else target.gpus,
        known=await fleet.durations_on(connection, gpu),
        weights=await shares.weights(connection),
        lanes=Lanes(
            total_s=float(sum(row.took for row in ended)),
            tests_s=float(sum(row.tests for row in ended)),
            again_s=float(sum(row.again for row in ended)),
        ),
        sent={row.user_id: float(row.fresh) for row in ended if row.fresh},
        held=pause.reason if pause is not None and pause.holds else "",
    )


async def state(ctx: Context, connection: AsyncConnection, gpu: str) -> Queue:
    """Who waits for this GPU kind and who runs on it, now."""
    known = await pool(ctx, connection, gpu)
    waiting = await shares.waiting(connection, gpu, fairness.SENT_S)
    running = await shares.running(connection, gpu, fairness.SENT_S)
    used = shares.decoded(await shares.used(connection, gpu))
    sent = dict(known.sent)
    for row in (*waiting, *running):
        seconds = int(row.fresh) * known.expected(row.leaderboard_id, row.mode).mean_s
        sent[row.user_id] = sent.get(row.user_id, 0.0) + seconds
    return Queue(
        waiting=[
            known.group(
                row.user_id, row.leaderboard_id, row.mode, row.priority, row.places,
                float(row.waited_s),
            )
            for row in waiting
        ],
        running=[_begun(known, row) for row in running],
        used={user: fairness.decayed(seconds, age) for user, (seconds, age) in used.items()},
        sent=sent,
        slots=known.slots,
        gpus=known.gpus,
        lanes=known.lanes,
    )  # fmt: skip


def _begun(known: Pool, row: Row[Any]) -> Running:
    group = known.group(row.user_id, row.leaderboard_id, row.mode, row.priority, ())
    return group.begun(float(row.so_far_s))


async def take(
    ctx: Context,
    connection: AsyncConnection,
    gpu: str,
    free: int,
    worker_id: uuid.UUID,
    aged_s: float = 0.0,
) -> list[int]:
    """Claim the next runs for a worker with so many free GPUs of this kind; their places. ``aged_s`` as in
    :func:`queue.take`."""
    taken = await _planned(ctx, connection, gpu, free, worker_id, aged_s)
    if len(taken) < free:
        # One decides, the others find what it has left for them.
        async with ctx.cache.setdefault(f"deciding:{gpu}", asyncio.Lock()):
            free -= len(taken)
            taken += await _planned(ctx, connection, gpu, free, worker_id, aged_s)
            free -= len(taken)
            if free > 0:
                taken += await _decided(ctx, connection, gpu, free, worker_id, aged_s)
    return taken


async def _planned(
    ctx: Context,
    connection: AsyncConnection,
    gpu: str,
    free: int,
    worker_id: uuid.UUID,
    aged_s: float,
) -> list[int]:
    """From what was decided a moment ago."""
    plan: _Plan | None = ctx.cache.get(f"plan:{gpu}")
    if plan is None or not plan.places or time.monotonic() >= plan.until:
        return []
    if await queue.any_from(connection, gpu, FIRST_PRIORITY):  # put first after this was decided
        return []
    wanted = plan.places[: free + SPARE]
    plan.places = plan.places[free:]  # whoever asks meanwhile is not to try the same ones
    taken = await queue.take(connection, wanted, free, worker_id, aged_s)
    plan.places = [place for place in plan.places if place not in taken]
    return taken


async def _decided(
    ctx: Context,
    connection: AsyncConnection,
    gpu: str,
    free: int,
    worker_id: uuid.UUID,
    aged_s: float,
) -> list[int]:
    begun = time.monotonic()
    now = await state(ctx, connection, gpu)
    if any(group.level is Level.AGAIN for group in now.waiting):
        now = await _for_others_first(ctx, connection, gpu, worker_id, now)
    many = sum(len(group.places) for group in now.waiting) > MANY
    order = fairness.order(now, free, PLANNED if many else SPARE)
    if not order:
        return []
    places = [turn.place for turn in order]
    taken = await queue.take(connection, places, free, worker_id, aged_s)
    if many:
        at = time.monotonic()
        kept_s = min(LONGEST_PLANNED_S, max(PLANNED_S, PLANNED_TIMES * (at - begun)))
        # Whether what is judged again is for another worker each has to find out by itself.
        left = [
            turn.place
            for turn in order
            if turn.place not in taken and turn.group.level is not Level.AGAIN
        ]
        ctx.cache[f"plan:{gpu}"] = _Plan(until=at + kept_s, places=left)
    return taken


async def _for_others_first(
    ctx: Context, connection: AsyncConnection, gpu: str, worker_id: uuid.UUID, now: Queue
) -> Queue:
    """Without what is judged again and this worker has judged, or may not have: another one says more about it."""
    avoided = await shares.judged_before(
        connection, gpu, worker_id, REJUDGE_PATIENCE_S, ctx.alive_s
    )
    avoided |= await shares.not_its_to_confirm(connection, gpu, worker_id)
    if not avoided:
        return now
    left = [
        replace(group, places=[place for place in group.places if place not in avoided])
        for group in now.waiting
    ]
    return replace(now, waiting=[group for group in left if group.places])
