"""Accepting a submission: admitted, stored and queued in one transaction, or refused and nothing kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import admission, budget, directives, imports
from kernelbot.domain.admission import Window
from kernelbot.domain.budget import Balance
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.problem import SUFFIXES
from kernelbot.domain.submission import PRIORITY, REJUDGE, Draft, Status, parse_mode, ranking_note
from kernelbot.domain.target import spellings
from kernelbot.domain.waiting import Wait
from kernelbot.errors import Conflict, Forbidden, InvalidInput
from kernelbot.judge.protocol import Mode
from kernelbot.services import access, allowances, record, submissions, waits
from kernelbot.services.context import Context
from kernelbot.services.views import AllowanceView, RunView, SubmissionView
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
    code = admission.code_text(draft.code)
    written = directives.parse(code)
    mode = parse_mode(draft.mode)
    key = _idempotency_key(draft)
    name = admission.leaderboard_name(draft.leaderboard, written)
    async with ctx.database.transaction() as connection:
        await store.lock_person(connection, actor.user_id)
        board = await _board(connection, actor, name, key)
        note = admission.other_leaderboard(board.name, board.problem, written)
        before = _accepted_before(ctx, board, draft, mode, key)
        if before is None:
            entry = _admitted(ctx, draft, written, board, mode, now)
            balances = await allowances.of_board(ctx, connection, actor.user_id, board, entry.gpus)
            budget.demand(board.competition, balances, now)
            # Last, for it takes longest: nobody is looked at who has nothing left to spend.
            if board.packages and entry.language == "python":
                await asyncio.to_thread(
                    imports.demand_offered, entry.file_name, code, board.packages, board.beside
                )
            view = await _store(ctx, connection, actor, draft, board, entry, key)
            return replace(view, note=note)
    async with ctx.database.read() as connection:
        row = await store.submission(connection, before)
        assert row is not None, "submissions are never deleted"
        return replace(await submissions.view(ctx, connection, row, repeated=True), note=note)


def _idempotency_key(draft: Draft) -> str | None:
    key = draft.idempotency_key
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise InvalidInput(
            f"An idempotency key is 1 to {MAX_KEY_CHARACTERS} printable characters.",
            code="bad_idempotency_key",
        )
    return key


async def _board(connection: AsyncConnection, actor: Actor, name: str, key: str | None) -> Row[Any]:
    # Postgres has no NUL in text and UTF-8 no lone surrogates; no leaderboard is named so either.
    board = await store.facts(connection, actor.user_id, name, key) if name.isprintable() else None
    if board is not None and access.of_strangers().sees(board):
        return board
    seen = await access.of(connection, actor)
    if board is None or not seen.sees(board):
        known = [row.name for row in seen.of(await contests.boards(connection))]
        raise admission.unknown_leaderboard(name, known)
    return board


def _accepted_before(
    ctx: Context, board: Row[Any], draft: Draft, mode: Mode, key: str | None
) -> int | None:
    if board.before_id is None:
        return None
    names = spellings(ctx.targets) | {gpu.lower(): gpu for gpu in board.before_gpus}
    words = {word.lower() for word in admission.named_gpus(draft.gpus)}
    asked = {names.get(word, word).lower() for word in words}
    same = (
        bytes(board.before_code) == hashlib.sha256(draft.code).digest()
        and board.before_board == board.id
        and board.before_mode == mode.value
        and (draft.profile_case is None or draft.profile_case == board.before_case)
        and (not asked or asked == {gpu.lower() for gpu in board.before_gpus})
    )
    if not same:
        raise Conflict(
            f"The idempotency key {str(key)[:40]!r} belongs to another submission "
            f"({board.before_id}) of yours. Use a new one for new content.",
            code="idempotency_key_reused",
        )
    return int(board.before_id)


@dataclass(frozen=True)
class _Entry:
    """What was admitted."""

    mode: Mode
    gpus: tuple[str, ...]
    file_name: str
    language: str
    profile_case: int | None


def _admitted(
    ctx: Context,
    draft: Draft,
    written: directives.Directives,
    board: Row[Any],
    mode: Mode,
    now: datetime,
) -> _Entry:
    window = Window(opens_at=board.opens_at, closes_at=board.closes_at)
    admission.within_window(board.name, window, now)
    gpus = admission.gpus(draft.gpus, written, board.gpus, spellings(ctx.targets))
    admission.not_paused(gpus, board.gpus, board.paused or {})
    file_name = admission.file_name(draft.file_name)
    suffixes = {SUFFIXES[name]: name for name in board.languages}
    language = admission.language(file_name, suffixes)
    known = {gpu: ctx.targets[gpu].device for gpu in gpus if gpu in ctx.targets}
    admission.runs_on(language, known)
    admission.enough_gpus(board.world_size, board.world_sizes or (), gpus, _counts(ctx, board.gpus))
    limit, used, oldest = {
        "ranked": (board.ranked_per_hour, board.used_ranked, board.oldest_ranked),
        "other": (board.other_per_hour, board.used_other, board.oldest_other),
    }[admission.mode_group(mode)]
    admission.within_allowance(board.name, mode, used, limit, oldest, now)
    case = admission.profile_case(
        draft.profile_case, written, mode, {gpu: _benchmarks(ctx, board, gpu) for gpu in gpus}
    )
    return _Entry(mode, gpus, file_name, language, case)


def _counts(ctx: Context, offered: Iterable[str]) -> dict[str, int]:
    """How many GPUs a run has on each of these kinds."""
    known = (ctx.targets[gpu] for gpu in offered if gpu in ctx.targets)
    return {target.name: target.gpus for target in known if target.device != "cpu"}


def _benchmarks(ctx: Context, board: Row[Any], gpu: str) -> int:
    """How many benchmarks the problem has on this GPU: a processor gets smaller ones."""
    target = ctx.targets.get(gpu)
    on_cpu = target is not None and target.device == "cpu"
    return int(board.cpu_benchmarks if on_cpu else board.benchmarks)


async def _store(
    ctx: Context,
    connection: AsyncConnection,
    actor: Actor,
    draft: Draft,
    board: Row[Any],
    entry: _Entry,
    key: str | None,
) -> SubmissionView:
    priority = PRIORITY[entry.mode]
    queue_ids = await queue.enqueue(connection, entry.gpus, priority)
    runs = await store.add(
        connection,
        leaderboard_id=board.id,
        problem_id=board.problem_id,
        user_id=actor.user_id,
        mode=entry.mode.value,
        file_name=entry.file_name,
        language=entry.language,
        code_digest=hashlib.sha256(draft.code).digest(),
        code=draft.code,
        channel=actor.channel,
        profile_case=entry.profile_case,
        idempotency_key=key,
        repeats=None,
        priority=priority,
        problem_digest=board.problem_digest,
        gpus=list(entry.gpus),
        queue_ids=queue_ids,
    )
    views = [
        _queued_run(
            run,
            entry.mode,
            await waits.of_place(
                ctx,
                connection,
                run.gpu,
                run.queue_id,
                priority,
                board.id,
                entry.mode.value,
                actor.user_id,
            ),
        )
        for run in runs
    ]
    return SubmissionView(
        id=runs[0].submission_id,
        leaderboard=board.name,
        problem=board.problem,
        title=board.title or board.problem,
        competition=board.competition,
        user_id=actor.user_id,
        user_name=actor.name,
        mode=entry.mode,
        file_name=entry.file_name,
        language=entry.language,
        channel=actor.channel,
        status=Status.QUEUED,
        created_at=runs[0].created_at,
        finished_at=None,
        runs=tuple(views),
    )


def _queued_run(run: Row[Any], mode: Mode, wait: Wait) -> RunView:
    return RunView(
        id=run.id,
        gpu=run.gpu,
        mode=mode,
        status=Status.QUEUED,
        stage="",
        progress="",
        kind=None,
        message="",
        ranking=ranking_note(mode, Status.QUEUED, None),
        seconds=None,
        error=None,
        attempt=0,
        wait=wait,
        created_at=run.created_at,
        started_at=None,
        finished_at=None,
    )


async def again(
    ctx: Context, actor: Actor, submission_id: int, mode: Mode | None, idempotency_key: str | None
) -> SubmissionView:
    """Send one's own code again, to the same leaderboard and GPUs: in the same mode, or in ``mode``."""
    actor.needs(Scope.SUBMIT)
    before = await submissions.submission(ctx, actor, submission_id)
    if before.user_id != actor.user_id:
        raise Forbidden(
            f"Submission {submission_id} is somebody else's; only they send it again.",
            code="not_yours",
        )
    code = await submissions.code(ctx, actor, submission_id)
    draft = Draft(
        code=code.content,
        file_name=code.file_name,
        leaderboard=before.leaderboard,
        gpus=tuple(run.gpu for run in before.runs),
        mode=(mode or before.mode).value,
        profile_case=await _same_case(ctx, before, mode),
        idempotency_key=idempotency_key,
    )
    return await accept(ctx, actor, draft)


async def _same_case(ctx: Context, before: SubmissionView, mode: Mode | None) -> int | None:
    """A profile sent again is of the same benchmark."""
    if before.mode is not Mode.PROFILE or mode not in (None, Mode.PROFILE):
        return None
    async with ctx.database.read() as connection:
        row = await store.submission(connection, before.id)
    return None if row is None else row.profile_case


async def cancel(ctx: Context, actor: Actor, submission_id: int) -> SubmissionView:
    """Stop what waits at once, and what runs at its worker's next sign of life."""
    actor.needs(Scope.SUBMIT)
    current = await submissions.submission(ctx, actor, submission_id)
    if current.channel == REJUDGE and not access.organizes(actor):
        raise Forbidden(
            f"Submission {submission_id} is judged again at an organizer's wish; only they cancel it.",
            code="not_yours_to_cancel",
        )
    async with ctx.database.transaction() as connection:
        await queue.lock(connection, [run.id for run in current.runs])
        locked = await store.lock(connection, current.id)
        if locked is None or Status(locked.status).final:
            raise Conflict(
                f"Submission {submission_id} is {current.status.value} already.",
                code="already_final",
            )
        for run in await store.cancel_queued(connection, current.id):
            await queue.finish(connection, run.queue_id, "canceled")
            await store.add_event(connection, current.id, run.id, "cancelled", {})
            await record.not_measured(connection, locked, run)
            await record.not_confirmed(connection, run.id)
        if await store.request_cancel(connection, current.id):
            await changes.notify(connection, changes.CANCEL, str(current.id))
        await record.settle(connection, locked)
        await changes.notify(connection, changes.SUBMISSION, str(current.id))
    return await submissions.submission(ctx, actor, submission_id)


async def allowance(
    ctx: Context, actor: Actor, leaderboard: str | None = None
) -> tuple[AllowanceView, ...]:
    """What is left of this hour and of the GPU-seconds of a day, for one leaderboard or for all."""
    actor.needs(Scope.READ)
    async with ctx.database.read() as connection:
        seen = await access.of(connection, actor)
        visible = [row.name for row in seen.of(await contests.boards(connection))]
        wanted = [
            name for name in visible if leaderboard is None or name.lower() == leaderboard.lower()
        ]
        if leaderboard is not None and not wanted:
            raise admission.unknown_leaderboard(leaderboard, visible)
        found = [await store.facts(connection, actor.user_id, name, None) for name in wanted]
        boards = [board for board in found if board is not None]
        balances = await allowances.of_boards(ctx, connection, actor.user_id, boards)
    return tuple(_allowance(board, balances[board.id]) for board in boards)


def _allowance(board: Row[Any], balances: Sequence[Balance]) -> AllowanceView:
    limits = {"ranked": board.ranked_per_hour, "other": board.other_per_hour}
    used = {"ranked": board.used_ranked, "other": board.used_other}
    left = admission.allowances(limits, used)
    return AllowanceView(
        leaderboard=board.name,
        competition=board.competition,
        ranked_left=left["ranked"],
        ranked_limit=board.ranked_per_hour,
        other_left=left["other"],
        other_limit=board.other_per_hour,
        gpu_seconds=tuple(balances),
    )
