"""What a person has used and may use, for administrators; and more of it, where they grant that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import budget, lasting
from kernelbot.domain.budget import Balance
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.reasons import bounded_reason
from kernelbot.domain.target import spellings
from kernelbot.errors import Conflict, InvalidInput, NotFound, did_you_mean
from kernelbot.services import access, allowances, competitions, persons
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.storage import contests, people
from kernelbot.storage import grants as store
from kernelbot.storage import submissions as facts

MOST_S = 10_000_000.0
"""GPU-seconds in one grant: more than a hundred GPUs have in a day."""
SHOWN = 20
AGAIN_WITHIN = timedelta(minutes=10)
"""Whoever grants the same once more so soon has not heard that it was done."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """GPU-seconds within 24 hours beyond a competition's own, on one GPU kind, for a time."""

    id: int
    user_id: int
    user_name: str
    competition: str
    gpu: str
    gpu_s: float
    reason: str
    created_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Hourly:
    """Submissions of this hour to one leaderboard; a limit of None is none."""

    leaderboard: str
    ranked_used: int
    ranked_limit: int | None
    other_used: int
    other_limit: int | None


@dataclass(frozen=True, kw_only=True)
class CompetitionUse:
    """What somebody has used and may use in one competition."""

    competition: str
    gpu_seconds: tuple[Balance, ...]  # on the GPUs that have a limit, grants in it
    hourly: tuple[Hourly, ...]  # of the leaderboards that have a limit


@dataclass(frozen=True, kw_only=True)
class PersonUse:
    user_id: int
    name: str
    competitions: tuple[CompetitionUse, ...]  # where there are limits
    grants: tuple[Grant, ...]  # in force, the newest first


async def of_person(
    ctx: Context, admin: Actor, word: str, competition: str | None = None
) -> PersonUse:
    """In one competition or in all that have limits. Raises NotFound."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        row = await persons.found(connection, word)
        wanted = await _boards(connection, admin, competition)
        found = [await facts.facts(connection, row.id, board.name, None) for board in wanted]
        boards = [board for board in found if board is not None]
        balances = await allowances.of_boards(ctx, connection, row.id, boards)
        granted = await store.of_person(connection, row.id, SHOWN)
    uses = []
    for name in dict.fromkeys(board.competition for board in boards):
        theirs = [board for board in boards if board.competition == name]
        by_gpu = {item.gpu: item for board in theirs for item in balances[board.id]}
        hourly = tuple(_hourly(board) for board in theirs if _has_limit(board))
        if by_gpu or hourly:
            uses.append(
                CompetitionUse(competition=name, gpu_seconds=tuple(by_gpu.values()), hourly=hourly)
            )
    return PersonUse(
        user_id=row.id,
        name=row.name,
        competitions=tuple(uses),
        grants=tuple(_grant(item, item.competition, row.name) for item in granted),
    )


async def _boards(
    connection: AsyncConnection, admin: Actor, competition: str | None
) -> Sequence[Row[Any]]:
    boards = await contests.boards(connection)
    if competition is None:
        return boards
    row = await competitions.found(connection, await access.of(connection, admin), competition)
    return [board for board in boards if board.competition_id == row.competition_id]


def _has_limit(board: Row[Any]) -> bool:
    return board.ranked_per_hour is not None or board.other_per_hour is not None


def _hourly(board: Row[Any]) -> Hourly:
    return Hourly(
        leaderboard=board.name,
        ranked_used=board.used_ranked,
        ranked_limit=board.ranked_per_hour,
        other_used=board.used_other,
        other_limit=board.other_per_hour,
    )


async def grant(
    ctx: Context,
    admin: Actor,
    word: str,
    competition: str,
    gpu: str,
    gpu_s: float,
    reason: str,
    ends_at: datetime,
) -> Grant:
    """Let a person use so many GPU-seconds more within 24 hours, until then. Raises NotFound, and Conflict where
    nothing limits them or the same administrator has just granted the same."""
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    if not 0 < gpu_s <= MOST_S:
        raise InvalidInput(f"Grant 1 to {MOST_S:,.0f} GPU-seconds.", code="bad_grant")
    if not datetime.now(UTC) < ends_at <= datetime.now(UTC) + lasting.LONGEST:
        raise InvalidInput(f"A grant ends within {lasting.LONGEST.days} days.", code="bad_lifetime")
    gpu = spellings(ctx.targets).get(gpu.lower(), gpu)
    async with ctx.database.transaction() as connection:
        row = await persons.found(connection, word)
        boards = await _boards(connection, admin, competition)
        limit_s, name, competition_id = await _limited(connection, row.id, boards, competition, gpu)
        # Of two equal ones at once the second finds the first.
        await people.hold(connection, row.id)
        wish = (row.id, competition_id, gpu, gpu_s, reason)
        if twin := await store.twin(connection, admin.user_id, *wish, AGAIN_WITHIN):
            raise Conflict(
                f"You have granted exactly this just now, as grant {twin}, and it holds. For as much once more "
                "write another reason.",
                code="granted_already",
                detail={"grant": twin},
            )
        made = await store.add(connection, row.id, competition_id, gpu, gpu_s, reason, ends_at)
        await people.record(
            connection,
            admin.user_id,
            "grant.create",
            f"user:{row.id}",
            grant=made.id,
            competition=name,
            gpu=gpu,
            gpu_s=gpu_s,
            limit_s=limit_s,
            until=ends_at.isoformat(),
            reason=reason,
        )
    return _grant(made, name, row.name)


async def _limited(
    connection: AsyncConnection,
    user_id: int,
    boards: Sequence[Row[Any]],
    competition: str,
    gpu: str,
) -> tuple[float, str, int]:
    """What a competition allows on a GPU, its name and its id."""
    known = [await facts.facts(connection, user_id, board.name, None) for board in boards]
    offered = {name for board in known if board is not None for name in board.gpus}
    board = next((item for item in known if item is not None and gpu in item.gpus), None)
    if board is None:
        raise NotFound(
            f"{competition[:80]} is not judged on {gpu[:40]!r}. It is on: {', '.join(sorted(offered))}."
            f"{did_you_mean(gpu, offered)}",
            code="unknown_gpu",
        )
    limit_s = budget.limit(board.gpu_seconds or {}, gpu)
    if limit_s is None:
        raise Conflict(
            f"{board.competition} does not limit GPU-seconds on {gpu}: there is nothing to grant.",
            code="no_limit",
        )
    return limit_s, board.competition, board.competition_id


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the end of a grant would do."""

    grant: Grant
    left_s: float | None
    """GPU-seconds that are left to its owner then; None: nothing limits them there any more."""


async def in_force(ctx: Context, admin: Actor) -> tuple[Grant, ...]:
    """The newest first."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = await store.in_force(connection)
    return tuple(_grant(row, row.competition, row.user_name) for row in rows)


async def planned_end(ctx: Context, admin: Actor, grant_id: int) -> Ending:
    """What ``take_back`` would do; nothing is done. Raises NotFound."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = await store.in_force(connection, grant_id) if 0 < grant_id <= MAX_ID else ()
    if not rows:
        raise _not_in_force(grant_id)
    found = _grant(rows[0], rows[0].competition, rows[0].user_name)
    use = await of_person(ctx, admin, f"#{found.user_id}")
    left = [
        max(0.0, balance.limit_s - found.gpu_s - balance.used_s - balance.reserved_s)
        for item in use.competitions
        if item.competition == found.competition
        for balance in item.gpu_seconds
        if balance.gpu == found.gpu
    ]
    return Ending(grant=found, left_s=left[0] if left else None)


def _not_in_force(grant_id: int) -> NotFound:
    return NotFound(f"There is no grant {grant_id} in force.", code="unknown_grant")


async def take_back(ctx: Context, admin: Actor, grant_id: int) -> None:
    """End a grant now; what was used of it was used."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.transaction() as connection:
        row = await store.end(connection, grant_id) if 0 < grant_id <= MAX_ID else None
        if row is None:
            raise _not_in_force(grant_id)
        target = f"user:{row.user_id}"
        await people.record(connection, admin.user_id, "grant.end", target, grant=grant_id)


def _grant(row: Row[Any], competition: str, user_name: str) -> Grant:
    return Grant(
        id=row.id,
        user_id=row.user_id,
        user_name=user_name,
        competition=competition,
        gpu=row.gpu,
        gpu_s=row.gpu_s,
        reason=row.reason,
        created_at=row.created_at,
        ends_at=row.ends_at,
    )
