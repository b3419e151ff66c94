"""Results that the judge set aside because their evidence contradicts itself: a person decides."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.reasons import bounded_reason
from kernelbot.errors import NotFound
from kernelbot.judge.protocol import Mode, Verdict, from_json
from kernelbot.services import record
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID, bounded, number
from kernelbot.services.views import Page, SetAside
from kernelbot.storage import people
from kernelbot.storage import submissions as store


async def waiting(
    ctx: Context, admin: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page:
    """What waits for a decision, the oldest first, each with its evidence and its hints."""
    admin.needs(Scope.ADMIN)
    after, limit = number(cursor, 0), bounded(limit)
    async with ctx.database.read() as connection:
        rows = await store.quarantined(connection, after, limit + 1)
    items = tuple(_set_aside(row) for row in rows[:limit])
    return Page(items=items, cursor=str(items[-1].run_id) if len(rows) > limit else None)


async def count(ctx: Context, admin: Actor) -> int:
    """How many wait for a decision."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        return await store.count_quarantined(connection)


def _set_aside(row: Row[Any]) -> SetAside:
    verdict = from_json(Verdict, row.document)
    return SetAside(
        run_id=row.id,
        submission_id=row.submission_id,
        leaderboard=row.leaderboard,
        gpu=row.gpu,
        mode=Mode(row.mode),
        user_name=row.user_name,
        finished_at=row.finished_at,
        rule=verdict.rule,
        evidence=verdict.evidence,
        hints=verdict.hints,
        cases=verdict.cases,
    )


async def release(ctx: Context, admin: Actor, run_id: int, reason: str) -> None:
    """The times are right: the run passes, and counts from now on as if it always had."""
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        submission, run = await _held(connection, run_id)
        await record.passed_after_all(ctx, connection, submission, run, reason)
        await _write_down(connection, admin, run_id, "run.release", reason)


async def refuse(ctx: Context, admin: Actor, run_id: int, reason: str) -> None:
    """The times are not to be believed: the run ends disqualified, with this reason."""
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        submission, run = await _held(connection, run_id)
        await record.refused_after_all(connection, submission, run, reason)
        await _write_down(connection, admin, run_id, "run.refuse", reason)


async def _held(connection: AsyncConnection, run_id: int) -> tuple[Row[Any], Row[Any]]:
    """The submission and its quarantined run, locked in the order of everybody else; of two who
    decide at once, the second finds nothing."""
    owner = await store.submission_of(connection, run_id) if 0 < run_id <= MAX_ID else None
    submission = await store.lock(connection, owner) if owner else None
    run = await store.lock_quarantined(connection, run_id) if submission else None
    if submission is None or run is None:
        raise NotFound(f"Run {run_id} does not wait for a decision.", code="unknown_run")
    return submission, run


async def _write_down(
    connection: AsyncConnection, admin: Actor, run_id: int, action: str, reason: str
) -> None:
    await people.record(connection, admin.user_id, action, f"run:{run_id}", reason=reason)
