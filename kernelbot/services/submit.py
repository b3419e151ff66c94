"""Accepting a submission: admitted, stored and queued in one transaction, or refused and nothing kept."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import admission, directives
from kernelbot.domain.admission import Window
from kernelbot.domain.competition import Visibility
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.problem import SUFFIXES
from kernelbot.domain.submission import PRIORITY, Draft, Status, parse_mode
from kernelbot.errors import Conflict, InvalidInput
from kernelbot.judge.protocol import Mode
from kernelbot.services import record, submissions
from kernelbot.services.context import Context
from kernelbot.services.views import AllowanceView, SubmissionView
from kernelbot.storage import changes, contests, queue
from kernelbot.storage import submissions as store

MAX_KEY_CHARACTERS = 200


async def accept(ctx: Context, actor: Actor, draft: Draft) -> SubmissionView:
    """Take a submission. When this returns, it is stored and queued, whatever dies next.

    The same idempotency key with the same content gives the same submission again. Raises the
    refusal that applies (kernelbot.errors.Refused) with what, where and how to fix it.
    """
    actor.needs(Scope.SUBMIT)
    now = datetime.now(UTC)
    admission.not_banned(actor, now)
    source = admission.code_text(draft.code)
    written = directives.parse(source)
    mode = parse_mode(draft.mode)
    key = _idempotency_key(draft)
    name = admission.leaderboard_name(draft.leaderboard, written)
    async with ctx.database.transaction() as connection:
        board = await _board(connection, name)
        await store.lock_allowance(connection, actor.user_id, board.id)
        before = await _accepted_before(connection, actor, draft, key)
        if before is None:
            before = await _admit(ctx, connection, actor, draft, written, board, mode, key, now)
            repeated = False
        else:
            repeated = True
    async with ctx.database.read() as connection:
        row = await store.submission(connection, before)
        assert row is not None, "it was just stored"
        return await submissions.view(ctx, connection, row, repeated=repeated)


def _idempotency_key(draft: Draft) -> str | None:
    key = draft.idempotency_key
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise InvalidInput(
            f"An idempotency key is 1 to {MAX_KEY_CHARACTERS} printable characters.",
            code="bad_idempotency_key",
        )
    return key


async def _board(connection: AsyncConnection, name: str) -> Row[Any]:
    board = await contests.board(connection, name) if _storable(name) else None
    if board is None or board.visibility != Visibility.PUBLIC:
        known = [
            row.name
            for row in await contests.boards(connection)
            if row.visibility == Visibility.PUBLIC
        ]
        raise admission.unknown_leaderboard(name, known)
    return board


def _storable(text: str) -> bool:
    """Postgres has no NUL in text and UTF-8 no lone surrogates."""
    return "\0" not in text and text.isprintable()


async def _accepted_before(
    connection: AsyncConnection, actor: Actor, draft: Draft, key: str | None
) -> int | None:
    if key is None:
        return None
    found = await store.by_idempotency_key(connection, actor.user_id, key)
    if found is None:
        return None
    row = await store.submission(connection, found)
    if row is None or bytes(row.code_digest) != hashlib.sha256(draft.code).digest():
        raise Conflict(
            f"The idempotency key {key[:40]!r} belongs to another submission ({found}) of yours. "
            "Use a new one for new content.",
            code="idempotency_key_reused",
        )
    return found


async def _admit(
    ctx: Context,
    connection: AsyncConnection,
    actor: Actor,
    draft: Draft,
    written: directives.Directives,
    board: Row[Any],
    mode: Mode,
    key: str | None,
    now: datetime,
) -> int:
    admission.within_window(
        board.name, Window(opens_at=board.opens_at, closes_at=board.closes_at), now
    )
    gpus = admission.gpus(draft.gpus, written, board.gpus)
    file_name = admission.file_name(draft.file_name)
    suffixes = {SUFFIXES[name]: name for name in board.document["languages"]}
    language = admission.language(file_name, suffixes)
    await _within_allowance(connection, actor, board, mode, now)

    digest = hashlib.sha256(draft.code).digest()
    await store.put_code(connection, digest, draft.code)
    submission_id = await store.add(
        connection,
        leaderboard_id=board.id,
        problem_id=board.problem_id,
        user_id=actor.user_id,
        mode=mode.value,
        file_name=file_name,
        language=language,
        code_digest=digest,
        channel=actor.channel,
        idempotency_key=key,
    )
    await _queue_runs(connection, submission_id, actor, board, gpus, mode, digest)
    return submission_id


async def _within_allowance(
    connection: AsyncConnection, actor: Actor, board: Row[Any], mode: Mode, now: datetime
) -> None:
    ranked = mode is Mode.RANKED
    limit = board.ranked_per_hour if ranked else board.other_per_hour
    if limit is None:
        return
    row = await store.used(connection, actor.user_id, board.id)
    used, oldest = (row.ranked, row.oldest_ranked) if ranked else (row.other, row.oldest_other)
    admission.within_allowance(board.name, mode, used, limit, oldest, now)


async def _queue_runs(
    connection: AsyncConnection,
    submission_id: int,
    actor: Actor,
    board: Row[Any],
    gpus: tuple[str, ...],
    mode: Mode,
    code_digest: bytes,
) -> None:
    priority = PRIORITY[mode]
    rows = [
        {
            "submission_id": submission_id,
            "leaderboard_id": board.id,
            "user_id": actor.user_id,
            "code_digest": code_digest,
            "gpu": gpu,
            "mode": mode.value,
            "priority": priority,
            "problem_digest": board.problem_digest,
        }
        for gpu in gpus
    ]
    run_ids = await store.add_runs(connection, rows)
    queued = [(run_id, gpu, priority) for run_id, gpu in zip(run_ids, gpus, strict=True)]
    await store.set_queue_ids(connection, await queue.enqueue(connection, queued))


async def cancel(ctx: Context, actor: Actor, submission_id: int) -> SubmissionView:
    """Stop what waits at once, and what runs at its worker's next sign of life."""
    actor.needs(Scope.SUBMIT)
    current = await submissions.submission(ctx, actor, submission_id)
    async with ctx.database.transaction() as connection:
        locked = await store.lock(connection, current.id)
        if locked is None or Status(locked.status).final:
            raise Conflict(
                f"Submission {submission_id} is {current.status.value} already.",
                code="already_final",
            )
        for run in await store.cancel_queued(connection, current.id):
            await queue.finish(connection, run.queue_id, "canceled")
            await store.add_event(connection, current.id, run.id, "cancelled", {})
        if await store.request_cancel(connection, current.id):
            await changes.notify(connection, changes.CANCEL, str(current.id))
        await record.settle(connection, locked, refunded=False)
        await changes.notify(connection, changes.SUBMISSION, str(current.id))
    return await submissions.submission(ctx, actor, submission_id)


async def allowance(
    ctx: Context, actor: Actor, leaderboard: str | None = None
) -> tuple[AllowanceView, ...]:
    """What is left of this hour, for one leaderboard or for all."""
    actor.needs(Scope.READ)
    async with ctx.database.read() as connection:
        boards = await contests.boards(connection)
        visible = [row for row in boards if row.visibility == Visibility.PUBLIC]
        if leaderboard is not None:
            wanted = [row for row in visible if row.name.lower() == leaderboard.lower()]
            if not wanted:
                raise admission.unknown_leaderboard(leaderboard, [row.name for row in visible])
            visible = wanted
        return tuple([await _allowance(connection, actor, row) for row in visible])


async def _allowance(connection: AsyncConnection, actor: Actor, board: Row[Any]) -> AllowanceView:
    used = await store.used(connection, actor.user_id, board.id)
    limits = {"ranked": board.ranked_per_hour, "other": board.other_per_hour}
    left = admission.allowances(limits, {"ranked": used.ranked, "other": used.other})
    return AllowanceView(
        leaderboard=board.name,
        ranked_left=left["ranked"],
        ranked_limit=board.ranked_per_hour,
        other_left=left["other"],
        other_limit=board.other_per_hour,
    )
