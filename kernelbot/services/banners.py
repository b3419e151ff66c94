"""What everybody should know now, in every channel: devices out of service, queues that stand still, GPU kinds that
nobody serves. No machine is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from kernelbot.domain import fairness
from kernelbot.services import access, canaries, standings, turns
from kernelbot.services.canaries import Notice
from kernelbot.services.context import Context
from kernelbot.services.views import QueueView
from kernelbot.storage import contests, fleet


async def notices(ctx: Context) -> tuple[Notice, ...]:
    """What holds now: the queues first, for they are what people wait for."""
    queues = await standings.queues(ctx)
    return (*await _unserved(ctx, queues), *await beside(ctx, queues))


async def beside(ctx: Context, queues: Sequence[QueueView]) -> tuple[Notice, ...]:
    """Those that are told beside places in line, which say themselves where nobody serves a kind."""
    return (*await _stalled(ctx, queues), *await canaries.notices(ctx))


def about(found: Iterable[Notice], gpus: Iterable[str]) -> tuple[Notice, ...]:
    """Those of them that concern one of these GPU kinds."""
    wanted = set(gpus)
    return tuple(item for item in found if wanted & set(item.gpus))


async def stalled(ctx: Context, queues: Sequence[QueueView]) -> dict[str, float]:
    """GPU kinds whose queue stands still beside a free slot, with the seconds that the first in it has waited: not
    one that is held, and not one of which the reserve for short runs keeps back what waits."""
    async with ctx.database.read() as connection:
        ready = await fleet.ready(connection)
    found = {}
    for view in queues:
        waited = ready.get(view.gpu, 0.0)
        held = view.paused is not None and view.paused.holds
        if waited <= ctx.settings.stalled_s or held or view.slots <= view.running:
            continue
        async with ctx.database.read() as connection:
            if fairness.order(await turns.state(ctx, connection, view.gpu), 1):
                found[view.gpu] = waited
    return found


async def _stalled(ctx: Context, queues: Sequence[QueueView]) -> list[Notice]:
    return [
        Notice(
            text=f"{gpu}: the queue stands still although a machine is free. Nothing that was handed in is lost; it is "
            "judged once the queue moves again.",
            gpus=(gpu,),
            since=_ago(waited),
        )
        for gpu, waited in (await stalled(ctx, queues)).items()
    ]


async def _unserved(ctx: Context, queues: Sequence[QueueView]) -> list[Notice]:
    """Of the kinds for which something waits, or which an open leaderboard takes submissions for."""
    idle = [view for view in queues if not view.slots]
    if not idle:
        return []
    async with ctx.database.read() as connection:
        silent = await fleet.silent(connection)
        boards = access.of_strangers().of(await contests.boards(connection))
    offered: dict[str, datetime] = {}
    for row in boards:
        opened = row.opens_at or row.at
        if opened <= row.at and (row.closes_at is None or row.at < row.closes_at):
            for gpu in row.gpus:
                offered[gpu] = min(opened, offered.get(gpu, opened))
    since = {
        view.gpu: _ago(silent[view.gpu])
        if view.gpu in silent
        else offered.get(view.gpu, _ago(view.oldest_s or 0.0))
        for view in idle
        if view.queued or (view.gpu in offered and view.paused is None)
    }
    if not since:
        return []
    which = "these kinds" if len(since) > 1 else "this kind"
    text = (
        f"{', '.join(since)}: no machine that judges for {which} is connected. What is handed in waits until one is; "
        "nothing is lost."
    )
    return [Notice(text=text, gpus=tuple(since), since=min(since.values()))]


def _ago(seconds: float) -> datetime:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).replace(microsecond=0)
