"""Acts that wait for a yes: asked once, done once, by whoever asked.

What is to be done lies in a row, so that the question survives a restart of who asked it. Whoever says yes
takes the act, does it and ends it with what came of it; a second yes finds it taken. An act whose taker died is
free again after ``TAKEN_S``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Scope
from kernelbot.errors import Conflict, NotFound
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.storage import pending as store

LASTS = timedelta(hours=1)
"""The effect was spelled out with the numbers of that moment."""
KEPT = timedelta(days=7)
TAKEN_S = 120


@dataclass(frozen=True, kw_only=True)
class Act:
    id: int
    name: str
    detail: Mapping[str, Any]


async def ask(ctx: Context, admin: Actor, name: str, detail: Mapping[str, Any]) -> Act:
    """``detail`` is what JSON can hold."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.transaction() as connection:
        await store.forget(connection, KEPT)
        made = await store.add(connection, admin.user_id, name, detail)
    return Act(id=made, name=name, detail=detail)


async def take(ctx: Context, admin: Actor, pending_id: int) -> Act:
    """Raises NotFound for what this person never asked, Conflict for what is done, taken or too old."""
    async with ctx.database.transaction() as connection:
        row = _free(await _asked(connection, admin, pending_id))
        await store.mark(connection, pending_id, taken=True)
    return Act(id=row.id, name=row.act, detail=row.detail)


async def look(ctx: Context, admin: Actor, pending_id: int) -> str | Act | None:
    """What came of it; or the act, taken, where its taker died; or None where nobody does it, so that it can be
    asked once more. Raises as ``take`` does.
    """
    async with ctx.database.transaction() as connection:
        row = await _asked(connection, admin, pending_id)
        if row.outcome:
            return str(row.outcome)
        _free(row)
        if row.taken_at is None:
            return None
        await store.mark(connection, pending_id, taken=True)
    return Act(id=row.id, name=row.act, detail=row.detail)


async def drop(ctx: Context, admin: Actor, pending_id: int, outcome: str = "") -> None:
    """No: it is not to be done. Raises as ``take`` does."""
    async with ctx.database.transaction() as connection:
        _free(await _asked(connection, admin, pending_id))
        await store.end(connection, pending_id, outcome)


async def _asked(connection: AsyncConnection, admin: Actor, pending_id: int) -> Row[Any]:
    admin.needs(Scope.ADMIN)
    known = 0 < pending_id <= MAX_ID
    row = await store.locked(connection, pending_id, admin.user_id) if known else None
    if row is None:
        raise NotFound("This was not asked of you.", code="unknown_act")
    return row


def _free(row: Row[Any]) -> Row[Any]:
    if row.ended_at is not None:
        raise Conflict("This is decided already.", code="act_ended")
    if row.age_s > LASTS.total_seconds():
        raise Conflict(
            "This was asked more than an hour ago, and what it would do may have changed. "
            "Send the command again.",
            code="act_expired",
        )
    if row.taken_s is not None and row.taken_s < TAKEN_S:
        raise Conflict("This is being done already.", code="act_taken")
    return row


async def end(ctx: Context, act: Act, outcome: str = "") -> None:
    """It is done, or refused for good; ``outcome`` is for whoever looks later."""
    async with ctx.database.transaction() as connection:
        await store.end(connection, act.id, outcome)


async def release(ctx: Context, act: Act) -> None:
    """It failed by a fault of ours: the same yes may be said again."""
    async with ctx.database.transaction() as connection:
        await store.mark(connection, act.id, taken=False)
