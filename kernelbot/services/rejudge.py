"""Judging again: a ranked entry is run once more as it was sent, at an organizer's wish, before a prize say.

The run is a submission of its own that names the first of its code. It costs no allowance, asks for no window
and changes nothing while it waits. One that agrees is pooled with the earlier runs like any other of the same
code; one that does not waits in quarantine for an organizer, and one that ends in our own failure says
nothing about the entry. Nothing of it takes an entry off a leaderboard: only ``moderation.void`` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot import report
from kernelbot.domain import scoring
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.scoring import AGAIN_Z, Score
from kernelbot.domain.submission import REJUDGE, REPEAT_PRIORITY, Outcome, Rejudged, Status
from kernelbot.domain.target import spellings
from kernelbot.errors import InvalidInput, NotFound
from kernelbot.judge.protocol import Verdict, VerdictKind
from kernelbot.services import standings
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID, MAX_PAGE, bounded, number
from kernelbot.services.views import Page, RejudgeView
from kernelbot.storage import contests, people, queue, rejudged
from kernelbot.storage import submissions as store

TOP = 3
"""How many rows of a leaderboard are judged again if nothing else is said."""

DIFFERS = "judged again: another time"
FAILED = "judged again: failed"
"""The rules by which a run that judges again is set aside."""

PENDING = (
    "it was judged again at an organizer's wish and does not agree with what counted; "
    "an organizer decides, and the place stays until then."
)
OURS = (
    "our machine failed when it was judged again at an organizer's wish. "
    "That says nothing about the code: the place stays."
)
NOT_COUNTED = (
    "it was judged again at an organizer's wish, who does not let this run count; "
    "what counted before stays."
)
"""The notes of runs that do not count."""


def is_one(submission: Row[Any]) -> bool:
    """Whether it judges another one again."""
    return bool(submission.channel == REJUDGE)


# --- asking for it -------------------------------------------------------------------------------


async def ask(
    ctx: Context,
    admin: Actor,
    *,
    submission_ids: Sequence[int] = (),
    leaderboard: str | None = None,
    gpu: str | None = None,
    top: int = TOP,
    dry_run: bool = False,
) -> tuple[RejudgeView, ...]:
    """Queue another ranked run of these submissions' code, or of the first ``top`` rows of a leaderboard on
    one GPU or on each that it offers. What is under way already is not queued twice.

    With ``dry_run`` nothing is queued. Raises InvalidInput for neither or both of the two, NotFound for a
    leaderboard that is not there and for code that stands on none.
    """
    admin.needs(Scope.ADMIN)
    if bool(submission_ids) == (leaderboard is not None):
        raise InvalidInput(
            "Name submissions or a leaderboard, one of the two.", code="nothing_to_judge"
        )
    if not 1 <= top <= MAX_PAGE or len(submission_ids) > MAX_PAGE:
        raise InvalidInput(f"Judge 1 to {MAX_PAGE} again at a time.", code="bad_limit")
    gpu = gpu and spellings(ctx.targets).get(gpu.lower(), gpu)
    if leaderboard is None:
        async with ctx.database.read() as connection:
            entries = await _named(connection, submission_ids, gpu)
    else:
        entries = await _first_rows(ctx, admin, leaderboard, gpu, top)
    if dry_run:
        return tuple(_planned(entry) for entry in entries)
    return await _queued(ctx, admin, entries)


async def _named(
    connection: AsyncConnection, ids: Sequence[int], gpu: str | None
) -> list[Row[Any]]:
    known = [item for item in ids if 0 < item <= MAX_ID]
    plain = gpu is None or gpu.isprintable()
    rows = await rejudged.entries(connection, known, gpu) if plain else ()
    found = {row.asked for row in rows}
    for item in ids:
        if item not in found:
            where = "" if gpu is None else f" on {gpu[:40]!r}"
            raise NotFound(
                f"Submission {item} stands on no leaderboard{where} that is shown: only what is ranked on the version "
                "of the problem that is posed now can be judged again.",
                code="unknown_submission",
            )
    # Several submissions of one code are one entry.
    return list({(row.submission_id, row.gpu): row for row in rows}.values())


async def _first_rows(
    ctx: Context, admin: Actor, leaderboard: str, gpu: str | None, top: int
) -> list[Row[Any]]:
    offered = None if gpu else (await standings.leaderboard(ctx, admin, leaderboard)).gpus
    entries: list[Row[Any]] = []
    for kind in offered or (gpu,):
        board = await standings.board(ctx, admin, leaderboard, kind)
        # Who keeps a place of an earlier version of the problem is measured again as it is.
        rows = [item.entry for item in board.standings if item.earlier is None][:top]
        places = {item.submission_id: place for place, item in enumerate(rows)}
        async with ctx.database.read() as connection:
            found = await rejudged.entries(connection, list(places), board.gpu)
        entries += sorted(found, key=lambda row: places[row.asked])
    if not entries:
        raise NotFound(f"Nobody is ranked on {leaderboard[:80]!r} yet.", code="nothing_to_judge")
    return entries


async def _queued(
    ctx: Context, admin: Actor, entries: Sequence[Row[Any]]
) -> tuple[RejudgeView, ...]:
    async with ctx.database.transaction() as connection:
        runs = await again(connection, admin.user_id, entries)
        rows = await rejudged.runs(connection, of=list(runs), before=MAX_ID, limit=len(runs))
    views = {row.run_id: replace(_view(row), under_way=runs[row.run_id]) for row in rows}
    return tuple(views[run_id] for run_id in sorted(views))


async def again(
    connection: AsyncConnection,
    by: int | None,
    entries: Sequence[Row[Any]],
    *,
    why: str = "",
) -> dict[int, bool]:
    """Queue another run of these rows of ``rejudged.entries``, whoever it is ``by``; each run with whether it
    was under way already. ``trusted``: for machines that somebody vouches for. The caller holds nothing yet."""
    # Of two who ask at once the second finds what the first has queued.
    for submission_id in sorted({entry.submission_id for entry in entries}):
        await store.lock(connection, submission_id)
    runs: dict[int, bool] = {}
    new: dict[tuple[int, int], list[Row[Any]]] = {}
    for entry in entries:
        run_id = await rejudged.under_way(connection, entry.submission_id, entry.gpu)
        if run_id is None:
            new.setdefault((entry.leaderboard_id, entry.problem_id), []).append(entry)
        else:
            runs[run_id] = True
    for (_, problem_id), group in new.items():
        added = await _add(connection, by, problem_id, group, why)
        runs |= dict.fromkeys(added, False)
    return runs


async def _add(
    connection: AsyncConnection,
    by: int | None,
    problem_id: int,
    entries: Sequence[Row[Any]],
    why: str,
) -> list[int]:
    """Queue runs of entries of one leaderboard, and say so where their owners and administrators look."""
    gpus = [entry.gpu for entry in entries]
    added = await store.repeat(
        connection,
        [entry.submission_id for entry in entries],
        gpus,
        await queue.enqueue(connection, gpus, REPEAT_PRIORITY),
        problem_id=problem_id,
        priority=REPEAT_PRIORITY,
        channel=REJUDGE,
    )
    for run in added:
        new = await store.submission(connection, run.submission_id)
        assert new is not None, "it was stored just now"
        data = {"submission": new.id, "gpu": run.gpu} | ({"why": why} if why else {})
        await store.add_event(connection, new.repeats, None, "rejudge", data)
        target = f"submission:{new.repeats}"
        await people.record(connection, by, "submission.rejudge", target, **data)
    return [int(run.id) for run in added]


# --- recording it --------------------------------------------------------------------------------


async def held_against(
    connection: AsyncConnection,
    submission: Row[Any],
    run_id: int,
    found: Verdict,
    score: Score | None,
) -> tuple[Verdict, Score | None, str]:
    """What is recorded of a run that judges again: verdict, score, and why it does not count (empty: it
    does). One that does not agree with the runs that count is set aside; the entry is not touched."""
    if not await contests.is_current(connection, submission.leaderboard_id, submission.problem_id):
        return found, score, ""
    if found.kind is VerdictKind.JUDGE_FAILED:
        return found, None, OURS
    if found.kind is VerdictKind.QUARANTINED:
        return found, None, PENDING
    if not found.passed or score is None:
        said = f"{found.kind.value.replace('_', ' ')}: {found.message}".removesuffix(": ")
        return (
            _set_aside(found, FAILED, f"The earlier runs passed; this one: {said}"),
            None,
            PENDING,
        )
    earlier = await rejudged.counted(connection, run_id)
    if not earlier or abs(scoring.apart(earlier, score)) < AGAIN_Z:
        return found, score, ""
    return _set_aside(found, DIFFERS, _difference(earlier, score)), score, PENDING


def _set_aside(found: Verdict, rule: str, evidence: str) -> Verdict:
    message = "Judged again, it does not agree with what counted."
    return replace(
        found, kind=VerdictKind.QUARANTINED, rule=rule, evidence=evidence, message=message
    )


def _difference(earlier: Sequence[Score], now: Score) -> str:
    counted = scoring.pool(earlier)
    apart = scoring.apart(earlier, now)
    ratio = math.expm1(abs(math.log(now.seconds / counted.seconds)))
    runs = "1 run" if counted.runs == 1 else f"{counted.runs} runs"
    return (
        f"{report.format_time_error(now.seconds, now.error)}, where "
        f"{report.format_time_error(counted.seconds, counted.error)} counted, of {runs}: "
        f"{'slower' if apart > 0 else 'faster'} by {ratio:.1%}, {abs(apart):.1f} joint standard errors; "
        f"{AGAIN_Z:g} or more are not taken for chance"
    )


# --- seeing what came of it ----------------------------------------------------------------------


async def results(
    ctx: Context,
    admin: Actor,
    *,
    leaderboard: str | None = None,
    submission_id: int | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """What was judged again and what came of it, the newest first; of one leaderboard, of one entry."""
    admin.needs(Scope.ADMIN)
    before, limit = number(cursor, MAX_ID), bounded(limit)
    if leaderboard is not None and not leaderboard.isprintable():
        return Page(items=())
    async with ctx.database.read() as connection:
        rows = await rejudged.runs(
            connection,
            leaderboard=leaderboard,
            submission_id=submission_id,
            before=before,
            limit=limit + 1,
        )
    more = str(rows[limit - 1].run_id) if len(rows) > limit else None
    return Page(items=tuple(_view(row) for row in rows[:limit]), cursor=more)


def _planned(entry: Row[Any]) -> RejudgeView:
    return RejudgeView(
        submission_id=entry.submission_id,
        leaderboard=entry.leaderboard,
        gpu=entry.gpu,
        user_name=entry.user_name,
        state=Rejudged.PLANNED,
        text="Would be judged again.",
        counted=Score(seconds=entry.seconds, error=entry.error, runs=entry.runs),
    )


def _view(row: Row[Any]) -> RejudgeView:
    pairs = zip(row.earlier_seconds, row.earlier_errors, strict=True)
    earlier = [Score(seconds=seconds, error=error) for seconds, error in pairs]
    now = None if row.seconds is None else Score(seconds=row.seconds, error=row.error)
    state = _state(row)
    return RejudgeView(
        submission_id=row.submission_id,
        leaderboard=row.leaderboard,
        gpu=row.gpu,
        user_name=row.user_name,
        state=state,
        text=_words(row, state),
        counted=scoring.pool(earlier) if earlier else None,
        rejudge_id=row.rejudge_id,
        run_id=row.run_id,
        score=now,
        apart=scoring.apart(earlier, now) if earlier and now else None,
        same_worker=row.same_worker,
        device=row.device,
        earlier_devices=tuple(row.devices),
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _state(row: Row[Any]) -> Rejudged:
    if row.status != Status.DONE:
        return Rejudged(row.status)
    if row.decision is not None:
        return Rejudged.RELEASED if row.decision == Outcome.RELEASED else Rejudged.REFUSED
    kind = VerdictKind(row.verdict)
    if kind is VerdictKind.QUARANTINED:
        by_rule = {DIFFERS: Rejudged.DIFFERS, FAILED: Rejudged.FAILED}
        return by_rule.get(row.rule, Rejudged.CONTRADICTS)
    if kind is VerdictKind.JUDGE_FAILED:
        return Rejudged.JUDGE_FAILED
    return Rejudged.AGREES if kind is VerdictKind.PASSED and not row.note else Rejudged.OUTDATED


def _words(row: Row[Any], state: Rejudged) -> str:
    decide = f"Release or refuse run {row.run_id}; the entry keeps its place until then."
    refuse = (
        f"Refuse run {row.run_id}, and void submission {row.submission_id} if the entry is to go; "
        "it keeps its place until then."
    )
    return {
        Rejudged.PLANNED: "",
        Rejudged.QUEUED: "Waits for a worker.",
        Rejudged.RUNNING: "Is being judged.",
        Rejudged.AGREES: "Agrees with what counted, and is pooled with it."
        if row.earlier_seconds
        else "Counts from now on; what counted before was measured by a device that was quarantined since.",
        Rejudged.DIFFERS: f"Differs: {row.evidence}. {decide}",
        Rejudged.FAILED: f"Failed. {row.evidence} {refuse}",
        Rejudged.CONTRADICTS: f"Set aside, {row.rule}: {row.evidence}. {decide}",
        Rejudged.RELEASED: f"An organizer lets it count: {row.reason}",
        Rejudged.REFUSED: f"An organizer does not let it count: {row.reason}",
        Rejudged.JUDGE_FAILED: "Our machine failed. The entry keeps its place; judge it again.",
        Rejudged.CANCELLED: f"Was never judged: {row.note or 'it was cancelled.'}",
        Rejudged.OUTDATED: f"Compares with nothing: {row.note or 'the problem has a new version.'}",
    }[state]
