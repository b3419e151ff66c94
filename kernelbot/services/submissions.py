"""Reading submissions: one, a person's own, their code, their steps as they happen."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot import report
from kernelbot.domain import scoring
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.problem import Problem
from kernelbot.domain.ranking import Standing
from kernelbot.domain.submission import REJUDGE, Decision, Outcome, Status, ranking_note
from kernelbot.domain.waiting import Wait
from kernelbot.errors import NotFound
from kernelbot.judge.protocol import Mode, Verdict, VerdictKind, from_json, to_json
from kernelbot.services import access, competitions, light, standings, waits
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID, bounded, number
from kernelbot.services.views import (
    ArtefactView,
    CodeView,
    EventView,
    Page,
    RunView,
    SubmissionView,
)
from kernelbot.storage import artefacts, people, rejudged
from kernelbot.storage import standings as boards
from kernelbot.storage import submissions as store
from kernelbot.storage.changes import SUBMISSION, Subscription

WAIT_REFRESH_S = 2.0
RECENT_AMONG = 2000
"""Submissions that are looked through for a name."""

VOID = "Not ranked: an organizer has taken this code off the leaderboard."

CHANGED = SUBMISSION
"""The channel of ``ctx.events`` that names submissions as they change."""


async def submission(ctx: Context, actor: Actor, submission_id: int) -> SubmissionView:
    """One's own submission with its runs, verdicts and waits; anybody's for an administrator."""
    actor.needs(Scope.READ)
    async with ctx.database.read() as connection:
        row = await _visible(connection, actor, submission_id)
        # Somebody else's only an organizer sees.
        return await view(ctx, connection, row, exact=row.user_id != actor.user_id)


async def _visible(connection: AsyncConnection, actor: Actor, submission_id: int) -> Row[Any]:
    row = await store.submission(connection, submission_id) if 0 < submission_id <= MAX_ID else None
    # Whether somebody else's submission exists is theirs to know.
    if row is None or (row.user_id != actor.user_id and not access.organizes(actor)):
        raise NotFound(f"You have no submission {submission_id}.", code="unknown_submission")
    return row


async def view(
    ctx: Context,
    connection: AsyncConnection,
    row: Row[Any],
    *,
    repeated: bool = False,
    exact: bool = False,
) -> SubmissionView:
    runs = await store.runs_of(connection, [row.id])
    queued = await waits.of_runs(ctx, connection, runs)
    problem = await competitions.readable(ctx, connection, row.problem_id)
    left = await _left(connection, runs)
    shown = [
        _lit(ctx, problem, _run_view(run, queued.get(run.id), left, exact=exact)) for run in runs
    ]
    placed = [await _placed(ctx, connection, row, run) for run in shown]
    again = await rejudged.of_submissions(connection, [row.id])
    told = [_judged_again(run, again.get((row.id, run.gpu))) for run in placed]
    return _submission_view(row, told, repeated)


async def _placed(
    ctx: Context, connection: AsyncConnection, row: Row[Any], run: RunView
) -> RunView:
    """A ranked run's last line says which place it holds, or which better one of theirs does."""
    if run.mode is not Mode.RANKED or run.kind is not VerdictKind.PASSED or run.note:
        return run
    board = await standings.board_of_run(ctx, connection, row.leaderboard_id, run.gpu, row.user_id)
    entries = await boards.entries_of(connection, [row.id])
    entry = next((entry for entry in entries if entry.gpu == run.gpu), None)
    if entry is not None and not entry.current and not entry.void:
        words = await _outdated_words(connection, row.id)
    else:
        standing = None if entry is None or entry.void else board.by_user.get(row.user_id)
        # One that judges another again stands for that one.
        of = row.repeats if row.channel == REJUDGE else row.id
        words = ranked_words(standing, len(board.standings), of)
        if row.channel == REJUDGE:
            words = f"Submission {of}, judged again at an organizer's wish. {words}"
    decision = run.decision if entry is None or entry.decided_at is None else _of_code(entry)
    return dataclasses.replace(run, ranking=words, decision=decision)


def _judged_again(run: RunView, rejudge_id: int | None) -> RunView:
    """A run's last line, with the submission that judged its code again at an organizer's wish."""
    if rejudge_id is None:
        return run
    words = f"{run.ranking} Judged again at an organizer's wish: submission {rejudge_id}."
    return dataclasses.replace(run, ranking=words)


def _decided(run: RunView, entry: Row[Any] | None) -> RunView:
    """A run in a list, where no places are told, with what was decided about its code."""
    if (
        entry is None
        or run.mode is not Mode.RANKED
        or run.kind is not VerdictKind.PASSED
        or run.note
    ):
        return run
    ranking = VOID if entry.void else run.ranking
    return dataclasses.replace(run, ranking=ranking, decision=_of_code(entry))


def _of_code(entry: Row[Any]) -> Decision:
    """What was decided last about a run's code."""
    outcome = Outcome.VOIDED if entry.void else Outcome.RESTORED
    return Decision(outcome=outcome, reason=entry.reason, at=entry.decided_at)


async def _outdated_words(connection: AsyncConnection, submission_id: int) -> str:
    words = "Not ranked any more: the problem has a new version since."
    again = await store.repeated_as(connection, submission_id)
    if again is None:
        return f"{words} Send it again to count."
    return f"{words} It is measured again as submission {again}."


def ranked_words(standing: Standing | None, people: int, submission_id: int) -> str:
    """Where a counted run stands, in a sentence."""
    if standing is None:
        return VOID
    place = f"{report.ordinal(standing.rank)} of {people}" + (" (tied)" if standing.tied else "")
    entry = standing.entry
    score = report.format_time_error(entry.seconds, entry.error)
    if entry.submission_id == submission_id:
        return f"Ranked {place} with {score}."
    return f"Ranked, but your best is still submission {entry.submission_id}: {place} with {score}."


async def mine(
    ctx: Context,
    actor: Actor,
    *,
    leaderboard: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page:
    """One's own submissions, newest first."""
    actor.needs(Scope.READ)
    before, limit = number(cursor, MAX_ID), bounded(limit)
    if leaderboard is not None and not leaderboard.isprintable():
        return Page(items=())
    async with ctx.database.read() as connection:
        rows = await store.mine(connection, actor.user_id, leaderboard, before, limit + 1)
        runs = await store.runs_of(connection, [row.id for row in rows[:limit]])
        queued = await waits.of_runs(ctx, connection, runs)
        left = await _left(connection, runs)
        entries = await boards.entries_of(connection, [row.id for row in rows[:limit]])
        again = await rejudged.of_submissions(connection, [row.id for row in rows[:limit]])
    known = {(entry.id, entry.gpu): entry for entry in entries if entry.decided_at is not None}
    shown = [
        (
            run.submission_id,
            _judged_again(
                _decided(
                    _run_view(run, queued.get(run.id), left),
                    known.get((run.submission_id, run.gpu)),
                ),
                again.get((run.submission_id, run.gpu)),
            ),
        )
        for run in runs
    ]
    items = tuple(
        _submission_view(row, [run for owner, run in shown if owner == row.id])
        for row in rows[:limit]
    )
    return Page(items=items, cursor=str(items[-1].id) if len(rows) > limit else None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recent:
    """Somebody's submission, to choose."""

    id: int
    user_name: str
    leaderboard: str
    mode: str
    status: str
    created_at: datetime


async def recent(ctx: Context, admin: Actor, typed: str, limit: int = 25) -> tuple[Recent, ...]:
    """Anybody's, for administrators: by the beginning of its number, or of the newest those whose owner or
    leaderboard is named so."""
    admin.needs(Scope.ADMIN)
    wanted = typed.strip().removeprefix("#")
    if not wanted.isprintable():
        return ()
    async with ctx.database.read() as connection:
        if wanted.isascii() and wanted.isdigit():
            rows = await store.numbered(connection, _spans(int(wanted[:19])), limit)
        else:
            rows = await store.newest(connection, wanted[:64], RECENT_AMONG, limit)
    return tuple(Recent(**row._mapping) for row in rows)


def _spans(number: int) -> list[tuple[int, int]]:
    """The numbers that begin with this one, length by length."""
    spans, size = [], 1
    while number * size <= MAX_ID and size <= MAX_ID:
        spans.append((number * size, min(number * size + size - 1, MAX_ID)))
        size *= 10
    return (spans if number else []) or [(0, 0)]


async def code(ctx: Context, actor: Actor, submission_id: int) -> CodeView:
    """The file of one's own submission; of anybody's ranked one when its competition opens code. An
    administrator reads it before, which is written down: whoever can read a competitor's kernel
    before the end can also pass it on."""
    actor.needs(Scope.READ)
    async with ctx.database.read() as connection:
        opened = await _is_opened(connection, actor, submission_id)
        found = None if opened else await _visible(connection, actor, submission_id)
        row = await store.code(connection, submission_id)
    if found is not None and found.user_id != actor.user_id:
        async with ctx.database.transaction() as connection:
            target = f"submission:{submission_id}"
            await people.record(connection, actor.user_id, "submission.read", target)
    return CodeView(file_name=row.file_name, content=bytes(row.content), licence=row.licence)


async def _is_opened(connection: AsyncConnection, actor: Actor, submission_id: int) -> bool:
    """Whether everybody who sees its competition may read this code by now."""
    if not 0 < submission_id <= MAX_ID:
        return False
    row = await store.opened(connection, submission_id)
    return row is not None and (await access.of(connection, actor)).sees(row)


# --- following -----------------------------------------------------------------------------------


async def events(
    ctx: Context, submission_id: int, after: int, limit: int = 500
) -> tuple[EventView, ...]:
    """Steps after the one with id ``after``, oldest first."""
    async with ctx.database.read() as connection:
        rows = await store.events(connection, submission_id, after, limit)
    return tuple(
        EventView(
            id=row.id,
            kind=row.kind,
            run_id=row.run_id,
            gpu=row.gpu or "",
            data=row.data,
            at=row.created_at,
        )
        for row in rows
    )


async def follow(
    ctx: Context, actor: Actor, submission_id: int, after: int = 0
) -> AsyncIterator[EventView]:
    """The steps after ``after``, then each as it happens; ends with ``done`` or ``cancelled``.

    While a run waits, ``wait`` events (id 0, not kept) tell its place and range when they change.
    """
    actor.needs(Scope.READ)
    async with ctx.database.read() as connection:
        await _visible(connection, actor, submission_id)
    async with ctx.events.subscribe(submission_id) as changed:
        told: tuple[object, ...] = ()
        while True:
            # Looked at first: when it is done before its steps are read, they are all there.
            current = await submission(ctx, actor, submission_id)
            moved = set()
            while steps := await events(ctx, submission_id, after):
                for event in steps:
                    after = event.id
                    moved.add(event.run_id)
                    yield event
            if current.done:
                yield _closing(current)
                return
            # What a run did after it was looked at is told by now: its wait is of before.
            told, news = _wait_events(current, told, moved)
            for event in news:
                yield event
            await _pause(changed, queued=current.status is Status.QUEUED)


async def _pause(changed: Subscription, *, queued: bool) -> None:
    await changed.wait(WAIT_REFRESH_S if queued else WAIT_REFRESH_S * 2)


def _closing(current: SubmissionView) -> EventView:
    return EventView(
        id=0,
        kind="done",
        run_id=None,
        gpu="",
        data={"status": current.status.value},
        at=current.finished_at or datetime.now(UTC),
    )


def _wait_events(
    current: SubmissionView, told: tuple[object, ...], moved: Container[int | None]
) -> tuple[tuple[object, ...], list[EventView]]:
    state: list[object] = []
    news = []
    for run in current.runs:
        if run.wait is None or run.id in moved:
            continue
        words = report.wait_text(run.wait)
        state.append((run.id, words))
        if (run.id, words) not in told:
            data = {**to_json(run.wait), "text": words}
            news.append(
                EventView(
                    id=0, kind="wait", run_id=run.id, gpu=run.gpu, data=data, at=datetime.now(UTC)
                )
            )
    return tuple(state), news


# --- rows to views ---------------------------------------------------------------------------------


def _submission_view(
    row: Row[Any], runs: Sequence[RunView], repeated: bool = False
) -> SubmissionView:
    return SubmissionView(
        id=row.id,
        leaderboard=row.leaderboard,
        problem=row.problem,
        title=row.title or row.problem,
        competition=row.competition,
        user_id=row.user_id,
        user_name=row.user_name,
        mode=Mode(row.mode),
        file_name=row.file_name,
        language=row.language,
        channel=row.channel,
        status=Status(row.status),
        created_at=row.created_at,
        finished_at=row.finished_at,
        runs=tuple(runs),
        repeated=repeated,
        repeats=row.repeats,
    )


def _run_view(
    row: Row[Any],
    wait: Wait | None,
    left: Mapping[int, Sequence[ArtefactView]],
    *,
    exact: bool = False,
) -> RunView:
    mode, status = Mode(row.mode), Status(row.status)
    kind = VerdictKind(row.verdict) if row.verdict else None
    verdict = from_json(Verdict, row.verdict_document) if row.verdict_document else None
    return RunView(
        id=row.id,
        gpu=row.gpu,
        mode=mode,
        status=status,
        stage=row.progress.split(" ")[0],
        progress=row.progress,
        kind=kind,
        message=verdict.message if verdict else "",
        ranking=ranking_note(mode, status, kind, row.note, verdict.rule if verdict else ""),
        note=row.note,
        seconds=row.seconds,
        error=row.error,
        attempt=row.attempt,
        wait=wait,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        verdict=_shown(verdict, mode, exact=exact) if verdict else None,
        artefacts=tuple(left.get(row.id, ())),
        decision=_decision(row) if row.decision else None,
    )


async def _left(
    connection: AsyncConnection, runs: Sequence[Row[Any]]
) -> dict[int, list[ArtefactView]]:
    """The files of each run that left any; only profiles do."""
    profiles = [run.id for run in runs if run.mode == Mode.PROFILE]
    found: dict[int, list[ArtefactView]] = defaultdict(list)
    for row in await artefacts.of_runs(connection, profiles) if profiles else ():
        found[row.run_id].append(_artefact_view(row))
    return found


def _artefact_view(row: Row[Any]) -> ArtefactView:
    return ArtefactView(
        id=row.id,
        run_id=row.run_id,
        gpu=row.gpu,
        name=_shown_name(row.gpu, row.name),
        bytes=row.bytes,
        media_type=row.media_type,
        sha256=bytes(row.digest).hex(),
        created_at=row.created_at,
        expired_at=row.gone_at,
    )


def _shown_name(gpu: str, name: str) -> str:
    """What a file is called among those of all runs of its submission: ``H100-profile.ncu-rep``."""
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in gpu)
    return f"{plain[:40]}-{name}"


def _decision(row: Row[Any]) -> Decision:
    return Decision(outcome=Outcome(row.decision), reason=row.reason, at=row.decided_at)


def _lit(ctx: Context, problem: Problem | None, run: RunView) -> RunView:
    """A passed run held against the speed of light, where it is known."""
    if problem is None or run.kind is not VerdictKind.PASSED:
        return run
    if run.verdict is None or run.seconds is None:
        return run
    bounds = light.bounds(ctx, problem, run.gpu, run.verdict.device.name)
    share = scoring.share(run.seconds, problem.scoring, bounds)
    return dataclasses.replace(run, light=share, bounds=bounds)


def _shown(verdict: Verdict, mode: Mode, *, exact: bool) -> Verdict:
    """Without what is for the operator alone."""
    coarse = mode is Mode.RANKED and not exact
    spent = verdict.spent.in_steps() if coarse else verdict.spent
    return dataclasses.replace(verdict, fault="", spent=spent)
