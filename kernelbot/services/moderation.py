"""What administrators do to people and results, and the record of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.reasons import bounded_reason
from kernelbot.domain.submission import FIRST_PRIORITY, Outcome
from kernelbot.errors import Conflict, NotFound
from kernelbot.judge.protocol import Verdict, VerdictKind, from_json
from kernelbot.services import persons, record
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID, bounded, number
from kernelbot.services.persons import Named
from kernelbot.services.views import Page, RunHints
from kernelbot.storage import changes, people, queue, shares, standings, submissions


async def ban(
    ctx: Context,
    admin: Actor,
    user_name: str,
    until: datetime,
    reason: str,
    *,
    void: bool = False,
) -> Named:
    """No submissions until then; what is ranked stays, unless all of it is to be voided."""
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        person = await persons.found(connection, user_name)
        user_id = person.id
        await people.ban(connection, user_id, until, reason)
        told = await standings.last_run(connection, user_id) if void else None
        if void:
            touched = await standings.places_of_person(connection, user_id)
            async with _boards_held(connection, touched):
                await standings.void_person(connection, user_id, reason)
        line = await people.record(
            connection,
            admin.user_id,
            "user.ban",
            f"user:{user_id}",
            until=until.isoformat(),
            reason=reason,
            void=void,
        )
        # Once, however much it is: each submission says it too.
        sent = await submissions.submission(connection, told.submission_id) if told else None
        if told is not None and sent is not None:
            await record.bring(connection, sent, told.id, f"decided:audit:{line}")
    return Named(user_id=user_id, name=person.name)


async def unban(ctx: Context, admin: Actor, user_name: str, reason: str = "") -> Named:
    """Submissions again. Of somebody who is not banned it changes nothing, so it can be repeated."""
    admin.needs(Scope.ADMIN)
    if reason:
        bounded_reason(reason)
    why = {"reason": reason} if reason else {}
    async with ctx.database.transaction() as connection:
        person = await persons.found(connection, user_name)
        if person.banned_until is not None:
            await people.ban(connection, person.id, None, "")
            await people.record(connection, admin.user_id, "user.unban", f"user:{person.id}", **why)
    return Named(user_id=person.id, name=person.name)


async def void(ctx: Context, admin: Actor, submission_id: int, reason: str) -> int:
    """Take what this submission's code stands for off the boards; how many boards it touched: none where it is
    off already. Its owner is told why, once."""
    return await _set_void(ctx, admin, submission_id, reason, void=True)


async def restore(ctx: Context, admin: Actor, submission_id: int, reason: str) -> int:
    return await _set_void(ctx, admin, submission_id, reason, void=False)


async def put_first(ctx: Context, admin: Actor, submission_id: int, reason: str) -> int:
    """Have what waits of a submission start before everything else on its GPUs; how many runs that is.

    Raises NotFound, and Conflict where nothing of it waits.
    """
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        known = 0 < submission_id <= MAX_ID
        runs = await submissions.runs_of(connection, [submission_id]) if known else ()
        await queue.lock(connection, [run.id for run in runs])
        if not known or await submissions.lock(connection, submission_id) is None:
            raise NotFound(f"There is no submission {submission_id}.", code="unknown_submission")
        moved = await shares.put_first(connection, submission_id, FIRST_PRIORITY)
        if not moved:
            raise Conflict(
                f"Nothing of submission {submission_id} waits any more.", code="nothing_waits"
            )
        target = f"submission:{submission_id}"
        await people.record(connection, admin.user_id, "submission.first", target, reason=reason)
        await changes.notify(connection, changes.SUBMISSION, str(submission_id))
    return moved


async def _set_void(
    ctx: Context, admin: Actor, submission_id: int, reason: str, *, void: bool
) -> int:
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        known = 0 < submission_id <= MAX_ID
        sent = await submissions.lock(connection, submission_id) if known else None
        if sent is not None:
            await people.hold(connection, sent.user_id)
        touched = await standings.places_of_code(connection, submission_id) if sent else ()
        if not touched:
            raise NotFound(
                f"Submission {submission_id} stands on no leaderboard.", code="unknown_submission"
            )
        if all(known == void for known in await standings.void_of_code(connection, submission_id)):
            return 0
        async with _boards_held(connection, touched):
            await standings.set_void(connection, submission_id, void, reason)
        action = "submission.void" if void else "submission.restore"
        target = f"submission:{submission_id}"
        line = await people.record(connection, admin.user_id, action, target, reason=reason)
        run_id = await standings.run_of(connection, submission_id)
        if sent is not None and run_id is not None:
            decision = (Outcome.VOIDED if void else Outcome.RESTORED).value
            data = {"decision": decision, "reason": reason, "verdict": VerdictKind.PASSED.value}
            await submissions.add_event(connection, submission_id, run_id, "decided", data)
            await record.bring(connection, sent, run_id, f"decided:audit:{line}")
    return len(touched)


@asynccontextmanager
async def _boards_held(
    connection: AsyncConnection, touched: Sequence[Row[Any]]
) -> AsyncIterator[None]:
    """Around a change of these people's entries; their standings follow."""
    # The boards first, in one order: whoever records on one waits there, before touching entries.
    for row in touched:
        await standings.next_revision(connection, row.leaderboard_id, row.gpu)
    yield
    for row in touched:
        await standings.put_standing(connection, row.leaderboard_id, row.gpu, row.user_id)
    for board_id, gpu in dict.fromkeys((row.leaderboard_id, row.gpu) for row in touched):
        await record.confirm_podium(connection, board_id, gpu)


async def hints(ctx: Context, admin: Actor, submission_id: int) -> tuple[RunHints, ...]:
    """What a reviewer may want to look at in this submission's code, for each run that ended."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        known = 0 < submission_id <= MAX_ID
        rows = await submissions.runs_of(connection, [submission_id]) if known else ()
    if not rows:
        raise NotFound(f"There is no submission {submission_id}.", code="unknown_submission")
    return tuple(
        RunHints(run_id=row.id, gpu=row.gpu, hints=from_json(Verdict, row.verdict_document).hints)
        for row in rows
        if row.verdict_document is not None
    )


async def audit(
    ctx: Context,
    admin: Actor,
    *,
    target: str | None = None,
    servers: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """The audit log, newest first; about one target such as ``submission:12``, or all of it: with ``servers`` also
    what people who are no organizers chose for their servers of Discord."""
    admin.needs(Scope.ADMIN)
    before, limit = number(cursor, MAX_ID), bounded(limit)
    if target is not None and not target.isprintable():
        return Page(items=())
    async with ctx.database.read() as connection:
        rows = await people.audit(connection, target, before, limit + 1, servers=servers)
    items = tuple(_audit_entry(row) for row in rows[:limit])
    return Page(items=items, cursor=str(rows[limit - 1].id) if len(rows) > limit else None)


def _audit_entry(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.created_at,
        "actor": row.actor,
        "action": row.action,
        "target": row.target,
        "detail": row.detail,
    }
