"""What the machines were used for and what that cost, for those who pay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from kernelbot.domain.people import Actor, Scope
from kernelbot.errors import InvalidInput
from kernelbot.services.context import Context
from kernelbot.storage import contests
from kernelbot.storage import usage as store

LONGEST_DAYS = 366
MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Spent:
    """GPU time of one competition, person or target on one GPU kind."""

    name: str
    gpu: str
    runs: int
    gpu_hours: float  # a run on four GPUs of an hour is four
    cost: float | None  # in the currency of targets.yaml; None: no price is known


@dataclass(frozen=True, kw_only=True)
class Usage:
    since: datetime
    until: datetime
    by: str
    items: tuple[Spent, ...]  # the dearest first
    gpu_hours: float
    cost: float  # of what has a price


async def usage(
    ctx: Context, admin: Actor, *, by: str = "competition", days: float = 30.0
) -> Usage:
    """Of the runs that ended in the last ``days``, their re-runs and failures of ours among them: that is what
    machines cost, not what people are charged. Raises InvalidInput."""
    admin.needs(Scope.ADMIN)
    if by not in store.NAMES or not 0 < days <= LONGEST_DAYS:
        raise InvalidInput(
            f"Ask by one of {', '.join(store.NAMES)}, for 1 to {LONGEST_DAYS} days.",
            code="bad_usage",
        )
    async with ctx.database.read() as connection:
        until = await contests.clock(connection)
        since = until - timedelta(days=days)
        rows = await store.spent(connection, by, since, until, MOST)
    items = [_spent(ctx, row) for row in rows]
    items.sort(key=lambda item: (-(item.cost or 0.0), -item.gpu_hours, item.name))
    return Usage(
        since=since,
        until=until,
        by=by,
        items=tuple(items),
        gpu_hours=sum(item.gpu_hours for item in items),
        cost=sum(item.cost or 0.0 for item in items),
    )


def _spent(ctx: Context, row: Row[Any]) -> Spent:
    hours = gpu_hours(ctx, row.gpu, float(row.seconds))
    return Spent(
        name=row.name, gpu=row.gpu, runs=row.runs, gpu_hours=hours, cost=cost(ctx, row.gpu, hours)
    )


def gpu_hours(ctx: Context, gpu: str, seconds: float) -> float:
    """Of so many seconds of runs on a GPU kind."""
    target = ctx.targets.get(gpu)
    gpus = 1 if target is None or target.device == "cpu" else target.gpus
    return seconds / 3600 * gpus


def cost(ctx: Context, gpu: str, hours: float) -> float | None:
    target = ctx.targets.get(gpu)
    return None if target is None or target.price is None else hours * target.price
