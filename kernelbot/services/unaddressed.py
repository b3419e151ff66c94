"""Files that came without a word of where they are to go: kept until their sender chooses.

The file lies in a row, and what was said with it in another, so that the choice survives a restart of who asked for
it. It is made once: whoever chooses again is told that it was.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.submission import Draft
from kernelbot.errors import Conflict, NotFound
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.services.pending import KEPT as ASKED_KEPT
from kernelbot.storage import drafts, pending
from kernelbot.storage.database import storable

ACT = "submit"
KEPT, MOST_KEPT = timedelta(hours=2), 5
"""Of one person; a file has up to a megabyte."""


async def keep(ctx: Context, actor: Actor, draft: Draft) -> int:
    """The number under which ``find`` gives it back."""
    actor.needs(Scope.SUBMIT)
    async with ctx.database.transaction() as connection:
        await pending.forget(connection, ASKED_KEPT)
        await drafts.forget(connection, actor.user_id, KEPT, MOST_KEPT - 1)
        name = storable(draft.file_name)
        said = {
            "file": await drafts.add(connection, actor.user_id, name, draft.code),
            "leaderboard": draft.leaderboard,
            "gpus": list(draft.gpus),
            "mode": draft.mode,
            "case": draft.profile_case,
            "key": draft.idempotency_key,
        }
        return await pending.add(connection, actor.user_id, ACT, storable(said))


async def find(ctx: Context, actor: Actor, number: int) -> Draft:
    """What was kept. Raises NotFound for what this person never sent, Conflict for what is sent or too old."""
    actor.needs(Scope.SUBMIT)
    async with ctx.database.transaction() as connection:
        row = await _kept(connection, actor, number)
        file = await drafts.one(connection, int(row.detail["file"]), actor.user_id)
    if row.ended_at is not None:
        raise Conflict("This file is sent already.", code="file_sent")
    if file is None:
        raise Conflict("This file is not kept any more. Send it again.", code="file_gone")
    said = row.detail
    return Draft(
        code=bytes(file.content),
        file_name=file.name,
        leaderboard=said["leaderboard"],
        gpus=tuple(said["gpus"]),
        mode=said["mode"],
        profile_case=said["case"],
        idempotency_key=said["key"],
    )


async def goes_to(ctx: Context, actor: Actor, number: int, leaderboard: str) -> None:
    """One of two things is chosen; the other is asked for next."""
    async with ctx.database.transaction() as connection:
        row = await _kept(connection, actor, number)
        await pending.say(connection, number, {**row.detail, "leaderboard": storable(leaderboard)})


async def sent(ctx: Context, actor: Actor, number: int) -> None:
    """It is accepted, so nothing of it is needed here any more."""
    async with ctx.database.transaction() as connection:
        row = await _kept(connection, actor, number)
        await drafts.remove(connection, int(row.detail["file"]))
        await pending.end(connection, number, "")


async def _kept(connection: AsyncConnection, actor: Actor, number: int) -> Row[Any]:
    known = 0 < number <= MAX_ID
    row = await pending.locked(connection, number, actor.user_id) if known else None
    if row is None or row.act != ACT:
        raise NotFound("You sent no file that is kept here. Send it again.", code="file_gone")
    return row
