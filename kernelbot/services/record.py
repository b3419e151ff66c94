"""Recording a verdict: run, score, entry, standing, announcement, in one transaction, once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import evidence, ranking, scoring
from kernelbot.domain.competition import is_visible, own_channel
from kernelbot.domain.desk import board_key
from kernelbot.domain.ranking import Entry, PodiumChange, Standing
from kernelbot.domain.scoring import Score, Scoring
from kernelbot.domain.submission import REJUDGE, REPEAT_PRIORITY, Outcome
from kernelbot.errors import Conflict
from kernelbot.judge.protocol import Mode, Stage, Verdict, VerdictKind, from_json
from kernelbot.services import canaries, charge, competitions, figures, light, rejudge, remeasure
from kernelbot.services.context import Context
from kernelbot.storage import (
    artefacts,
    confirmations,
    contests,
    desk,
    fleet,
    notices,
    outbox,
    people,
    queue,
    rejudged,
    standings,
)
from kernelbot.storage import submissions as store

log = structlog.get_logger()

CONFIRMS = {VerdictKind.PASSED: "confirmed", VerdictKind.QUARANTINED: "differs"}
"""What becomes of a place that a run was to confirm."""
AGAIN = "again"
"""Beside what a confirmation would announce: whether it is a place that nobody tells, of what was measured again or of
whom another's fall has put there."""
PODIUM_READS = 50
"""More rows than a podium with its ties needs on most boards; where it does not do, more are read."""


async def verdict(
    ctx: Context, run_id: int, submission_id: int, lease: uuid.UUID, found: Verdict
) -> bool:
    """Record what the referee decided, for the holder of the lease.

    False when the lease has passed to somebody else or the run has ended: a late verdict changes
    nothing. Repeating the call after a lost connection is safe for the same reason.
    """
    async with ctx.database.transaction() as connection:
        submission = await store.lock_run(connection, run_id, submission_id)
        if submission is None:
            return False
        found = _sound(found, Mode(submission.mode))
        found = evidence.held(found, Mode(submission.mode), ctx.settings.evidence)
        score, note = await _score(ctx, connection, submission, run_id, found)
        if rejudge.is_one(submission) and not note:
            found, score, note = await rejudge.held_against(
                connection, submission, run_id, found, score
            )
        run = await store.finish(
            connection,
            run_id,
            lease,
            status="done",
            verdict=found,
            seconds=score.seconds if score else None,
            error=score.error if score else None,
            note=note,
        )
        if run is None:
            return False
        mode = Mode(run.mode)
        if mode is Mode.PROFILE and await artefacts.keep(connection, run.id, lease):
            await artefacts.bound_person(connection, run.user_id, ctx.settings.artefact_bytes)
        await charge.ended(ctx, connection, submission, run, found)
        await queue.finish(connection, run.queue_id, "successful")
        await _tell(connection, submission, run, found)
        await canaries.run_ended(connection, run.id, submission_id, found)
        asked = mode is Mode.RANKED and await confirmations.asked(connection, run.id)
        # What others wait for comes last: whoever records on the same board waits from here to the end.
        if score is not None and mode is Mode.RANKED:
            await _count(ctx, connection, submission, run)
        if score is None or run.note:
            await not_measured(connection, submission, run)
        if asked and score is not None and not run.note:
            await _confirmed_by(connection, run, score)
        if rejudge.is_one(submission):
            await _confirmed(connection, run, CONFIRMS.get(found.kind, "failed"))
    # By itself, because everybody who measures the same waits for it, and no result is lost with it.
    try:
        async with ctx.database.read() as connection:
            await _remember_duration(connection, run, found)
    except Exception as error:  # the run is recorded, whatever becomes of this
        log.warning("how long a run took is not remembered", run=run.id, error=repr(error))
    return True


async def passed_after_all(
    ctx: Context, connection: AsyncConnection, submission: Row[Any], held: Row[Any], reason: str
) -> None:
    """A person has released this quarantined run: it passes and is ranked like any other.

    On a version of the problem that is not posed any more it is measured again instead. Raises
    Conflict when it would not count all the same; it goes on waiting then.
    """
    before = from_json(Verdict, held.document)
    if before.rule == rejudge.FAILED:
        raise Conflict(
            f"Run {held.id} failed: it has no time that could count. Refuse it, which leaves the entry in its "
            f"place, and void submission {submission.repeats} if the entry is to go."
        )
    found = replace(before, kind=VerdictKind.PASSED, message="", rule="", evidence="")
    score, note = await _score(ctx, connection, submission, held.id, found)
    if note not in ("", remeasure.OUTDATED, remeasure.NOT_TAKEN):
        raise Conflict(f"Run {held.id} would not count: {note}")
    run = await store.decide(connection, held.id, found, score, Outcome.RELEASED, reason, note)
    if score is not None:
        await _count(ctx, connection, submission, run)
    if note:
        await not_measured(connection, submission, run)
    await _confirmed(connection, run, "confirmed")
    await _tell_decision(connection, submission, run, Outcome.RELEASED, reason)


async def refused_after_all(
    connection: AsyncConnection, submission: Row[Any], held: Row[Any], reason: str
) -> None:
    """A person does not believe this quarantined run's times."""
    before = from_json(Verdict, held.document)
    found = replace(
        before,
        kind=VerdictKind.DISQUALIFIED,
        message=reason,
        cases=tuple(replace(case, measurement=None) for case in before.cases),
    )
    note = rejudge.NOT_COUNTED if rejudge.is_one(submission) else ""
    run = await store.decide(connection, held.id, found, None, Outcome.REFUSED, reason, note)
    await not_measured(connection, submission, run)
    await _confirmed(connection, run, "confirmed")  # what counted before stays, a person says
    await _tell_decision(connection, submission, run, Outcome.REFUSED, reason)


async def cancelled(ctx: Context, run_id: int, submission_id: int, lease: uuid.UUID) -> bool:
    """End a run that its owner stopped while it ran."""
    async with ctx.database.transaction() as connection:
        submission = await store.lock_run(connection, run_id, submission_id)
        run = await store.finish(connection, run_id, lease, status="cancelled")
        if run is None or submission is None:
            return False
        await not_measured(connection, submission, run)
        await not_confirmed(connection, run.id)
        await charge.ended(ctx, connection, submission, run, None)
        await queue.finish(connection, run.queue_id, "canceled")
        await store.add_event(connection, submission_id, run_id, "cancelled", {})
        await settle(connection, submission)
    return True


async def not_measured(connection: AsyncConnection, submission: Row[Any], run: Row[Any]) -> None:
    """What was to be measured again has ended without counting: the earlier place may go."""
    if submission.repeats is not None and not rejudge.is_one(submission):
        await standings.next_revision(connection, submission.leaderboard_id, run.gpu, run.id)


def _sound(found: Verdict, mode: Mode) -> Verdict:
    """The verdict, or our own fault when it passed with times that cannot be scored: nobody is
    charged for those, and nothing that comes from outside may stop the recording."""
    times = found.measurements
    if figures.sound(found) and (
        times or not found.passed or found.stage is not Stage.MEASURE or mode is Mode.PROFILE
    ):
        return found
    return Verdict(
        kind=VerdictKind.JUDGE_FAILED,
        run_id=found.run_id,
        stage=found.stage,
        message="Our judge measured something impossible; it does not count against you.",
        fault=f"a verdict with the times {[item.ns for item in times[:20]]} ns",
        harness=found.harness,
    )


async def _score(
    ctx: Context, connection: AsyncConnection, submission: Row[Any], run_id: int, found: Verdict
) -> tuple[Score | None, str]:
    """The score of a passed run and, for a ranked one, why it does not count (empty: it does)."""
    if not found.passed or not found.measurements:
        return None, ""
    problem = await competitions.stored(ctx, connection, submission.problem_id)
    rule = problem.scoring
    bounds: tuple[float | None, ...] = ()
    if rule is Scoring.SPEED_OF_LIGHT:
        known = light.bounds(ctx, problem, await store.gpu_of(connection, run_id))
        # Whatever came from outside, recording goes on: bounds of other cases bound nothing.
        bounds = known if len(known) == len(found.measurements) else ()
    score = scoring.score(found.measurements, rule, bounds)
    user = await people.user_recorded(connection, submission.user_id)
    # What is judged again was sent before; an organizer wishes to know what it is worth.
    if user.suspended and not rejudge.is_one(submission):
        return score, "the account is suspended."
    if not await contests.is_current(connection, submission.leaderboard_id, submission.problem_id):
        gpu = await store.gpu_of(connection, run_id)
        return score, await remeasure.note(connection, submission, gpu)
    return score, ""


async def _count(
    ctx: Context, connection: AsyncConnection, submission: Row[Any], run: Row[Any]
) -> None:
    """A ranked run passed: it counts, or is measured again, or costs nothing, or none of these (its note
    says why)."""
    if not run.note:
        await _rank(ctx, connection, submission, run)
    elif run.note == remeasure.OUTDATED:
        await remeasure.one(connection, submission, run.gpu)
    elif run.note == remeasure.NOT_TAKEN:
        await store.refund(connection, submission.id)


async def _rank(
    ctx: Context, connection: AsyncConnection, submission: Row[Any], run: Row[Any]
) -> None:
    board_id, gpu = run.leaderboard_id, run.gpu
    revision = await standings.next_revision(connection, board_id, gpu, run.id)
    before = await head(connection, board_id, gpu)
    best = await _own(connection, run, before)
    counted, mended = await standings.scores(connection, run)
    await standings.put_entry(connection, run, scoring.pool(counted))
    now = await standings.put_standing(connection, board_id, gpu, run.user_id)
    same = (
        now is not None
        and best is not None
        and (now.seconds, now.error) == (best.seconds, best.error)
    )
    # A best that was in doubt is gone from the history: what is true stands in its place, slower or not.
    better = now is not None and (best is None or now.seconds < best.seconds)
    if now is not None and (better or (mended and not same)):
        await standings.add_best(connection, run, Score(seconds=now.seconds, error=now.error))
        if submission.repeats is None:
            await notices.overtaken(connection, run, now, best)
    if now is None or same:
        return  # nobody has come onto the podium
    after = _with(before, now) or await head(connection, board_id, gpu)
    change = ranking.podium_change(before, after, run.user_id)
    if change is not None:
        await _announce(ctx, connection, submission, run, revision, change)


async def _confirmation_asked(
    connection: AsyncConnection, submission: Row[Any], run: Row[Any], told: Mapping[str, Any]
) -> bool:
    """Whether a place waits to be announced until a trusted machine has said the same of it: where one that
    nobody vouches for has measured it, and no run elsewhere agrees already. The run that is to say so is queued."""
    if not await confirmations.unvouched(connection, run.id):
        return False
    elsewhere = await confirmations.vouched_for(connection, run.id)
    own = Score(seconds=run.seconds, error=run.error)
    if elsewhere and abs(scoring.apart(elsewhere, own)) < scoring.AGAIN_Z:
        return False
    if await confirmations.under_way(connection, run.id):
        return True
    first = submission.repeats or submission.id
    (made,) = await store.repeat(
        connection,
        [first],
        [run.gpu],
        await queue.enqueue(connection, [run.gpu], REPEAT_PRIORITY),
        problem_id=submission.problem_id,
        priority=REPEAT_PRIORITY,
        channel=REJUDGE,
    )
    await confirmations.add(connection, made.id, run, told)
    await people.record(
        connection, None, "submission.confirm", f"submission:{first}",
        submission=made.submission_id, gpu=run.gpu,
    )  # fmt: skip
    log.info("a place waits for a trusted machine", submission=first, gpu=run.gpu, run=made.id)
    return True


async def _confirmed(connection: AsyncConnection, run: Row[Any], state: str) -> None:
    """What has come of a run that was to confirm a place, if it was: its announcement, where the place is still
    there; or none, and an organizer decides about the run."""
    if run.note in (remeasure.OUTDATED, remeasure.NOT_TAKEN):
        state = "gone"
    asked = await confirmations.settle(connection, run.id, state)
    if asked is None:
        return
    log.info("a place was to be confirmed", run=run.id, gpu=run.gpu, state=state)
    if state == "confirmed":
        await _announce_late(connection, run, asked)


async def _confirmed_by(connection: AsyncConnection, run: Row[Any], score: Score) -> None:
    """Whatever run of its code a trusted machine has judged confirms a place that was asked about, where it agrees with
    what counted."""
    if await confirmations.unvouched(connection, run.id):
        return
    earlier = await rejudged.counted(connection, run.id)
    if earlier and abs(scoring.apart(earlier, score)) >= scoring.AGAIN_Z:
        return
    settled = await confirmations.settle_all(connection, run.id)
    log.info("a place is confirmed", run=run.id, gpu=run.gpu)
    await _announce_late(connection, run, settled[-1])


async def not_confirmed(connection: AsyncConnection, run_id: int) -> None:
    """A run has ended that nobody judges any more: if it was to confirm a place, nobody waits for that."""
    await confirmations.settle(connection, run_id, "gone")


async def _announce_late(connection: AsyncConnection, run: Row[Any], asked: Row[Any]) -> None:
    """Announce a place that this run has confirmed, where it is still there."""
    revision = await standings.next_revision(connection, run.leaderboard_id, run.gpu, run.id)
    board = await contests.board_of(connection, run.leaderboard_id)
    there = await head(connection, run.leaderboard_id, run.gpu)
    now = next((item for item in there if item.entry.user_id == run.user_id), None)
    if now is None or now.rank > ranking.PODIUM or not may_be_told(board):
        return
    told = {key: value for key, value in asked.announcement.items() if key != AGAIN}
    # A place that nobody tells is told only where the end of a freeze has left it out.
    if asked.announcement.get(AGAIN) and not (board.revealed and asked.created_at < board.revealed):
        return
    if await confirmations.stands(connection, asked.run_id):
        payload = {
            **told,
            "rank": now.rank,
            "tied": now.tied,
            "seconds": now.entry.seconds,
            "error": now.entry.error,
        }
        key = f"podium:{run.leaderboard_id}:{run.gpu}:{revision}"
        await tell(connection, run.leaderboard_id, key, "podium", payload)


async def head(connection: AsyncConnection, board_id: int, gpu: str) -> list[Standing]:
    """The head of the board with every tie on the podium whole: within one the earliest is first,
    and that may be the slowest of hundreds where all are as fast as the memory."""
    limit = PODIUM_READS
    while True:
        read = await standings.entries(connection, board_id, gpu, limit)
        placed = ranking.rank(read)
        if len(read) < limit or placed[-1].rank > ranking.PODIUM:
            return placed
        limit *= 8


def _with(before: Sequence[Standing], now: Entry) -> list[Standing] | None:
    """The head of a board with what somebody has now; None where more has to be read to know the podium."""
    others = [item.entry for item in before if item.entry.user_id != now.user_id]
    after = ranking.rank([*others, now])
    whole = len(before) < PODIUM_READS or after[-1].rank > ranking.PODIUM
    return after if whole else None


async def _own(connection: AsyncConnection, run: Row[Any], before: Sequence[Standing]) -> Any:
    """What the owner of a run has on the board of which this is the head: (seconds, error), or None."""
    for item in before:
        if item.entry.user_id == run.user_id:
            return Score(seconds=item.entry.seconds, error=item.entry.error)
    if len(before) < PODIUM_READS:  # that is all of it
        return None
    return await standings.own(connection, run.leaderboard_id, run.gpu, run.user_id)


async def _announce(
    ctx: Context,
    connection: AsyncConnection,
    submission: Row[Any],
    run: Row[Any],
    revision: int,
    change: PodiumChange,
) -> None:
    board = await contests.board_of(connection, run.leaderboard_id)
    again = submission.repeats is not None
    standing, displaced = change.standing, change.displaced
    light_seconds = await competitions.light_seconds(
        ctx, connection, submission.problem_id, run.gpu
    )
    payload = {
        **_told(board, run.gpu, standing),
        "previous_seconds": change.previous_seconds,
        "displaced_name": displaced.user_name if displaced else None,
        "displaced_seconds": displaced.seconds if displaced else None,
        "light_seconds": light_seconds,
        "submission_id": submission.id,
    }
    asked = await _confirmation_asked(connection, submission, run, {**payload, AGAIN: again})
    if asked or again or not may_be_told(board):
        return
    key = f"podium:{run.leaderboard_id}:{run.gpu}:{revision}"
    await tell(connection, run.leaderboard_id, key, "podium", payload)


def _told(board: Row[Any], gpu: str, standing: Standing) -> dict[str, Any]:
    """What is said of a place on a podium, of itself."""
    return {
        "leaderboard": board.name,
        "title": board.title,
        "gpu": gpu,
        "channel": board.channel,
        "user_name": standing.entry.user_name,
        "rank": standing.rank,
        "tied": standing.tied,
        "seconds": standing.entry.seconds,
        "error": standing.entry.error,
        "previous_seconds": None,
        "displaced_name": None,
        "displaced_seconds": None,
        "light_seconds": None,
        "submission_id": standing.entry.submission_id,
    }


async def confirm_podium(connection: AsyncConnection, board_id: int, gpu: str) -> None:
    """Have those confirmed too whom another's fall has put on a podium: nobody announces that, and it may be worth a
    prize. The caller holds the board."""
    board = await contests.board_of(connection, board_id)
    posed = await contests.posed(connection, board_id)
    if posed.retired or gpu not in posed.gpus:
        return
    for item in await head(connection, board_id, gpu):
        if max(item.rank, item.position) > ranking.PODIUM or item.entry.unconfirmed:
            continue
        sent = await store.submission_of(connection, item.entry.run_id)
        submission = await store.submission(connection, sent) if sent else None
        if submission is None or submission.problem_id != posed.problem_id:
            continue
        runs = await store.runs_of(connection, [submission.id])
        run = next(row for row in runs if row.id == item.entry.run_id)
        await _confirmation_asked(
            connection, submission, run, {**_told(board, gpu, item), AGAIN: True}
        )


async def tell(
    connection: AsyncConnection, board_id: int, key: str, topic: str, payload: Mapping[str, Any]
) -> None:
    """Announce it, and say it in the post of its leaderboard in every server that has one."""
    await outbox.add(connection, key, topic, payload)
    beside = {"topic": topic, "told": payload}
    await desk.tell(connection, board_key(board_id), key, beside)


def may_be_told(board: Row[Any]) -> bool:
    """Not from the beginning of a freeze until what it hid is announced (``reveal``), which tells this too;
    and what not everybody may see only in a channel that its competition names by id."""
    begun = board.frozen_from is not None and board.frozen_from <= board.at
    if begun and board.revealed != board.frozen_until:
        return False
    return own_channel(board.channel) is not None or is_visible(
        board.visibility, board.public_from, board.at, joined=False, organizer=False
    )


async def _remember_duration(connection: AsyncConnection, run: Row[Any], found: Verdict) -> None:
    if found.kind is VerdictKind.JUDGE_FAILED or (seconds := charge.held_s(run)) is None:
        return
    await fleet.remember_duration(connection, run.leaderboard_id, run.gpu, run.mode, seconds)


async def _tell(
    connection: AsyncConnection, submission: Row[Any], run: Row[Any], found: Verdict
) -> None:
    data = {"verdict": found.kind.value, "message": found.message}
    await store.add_event(connection, submission.id, run.id, "finished", data)
    await settle(connection, submission)


async def _tell_decision(
    connection: AsyncConnection,
    submission: Row[Any],
    run: Row[Any],
    decision: Outcome,
    reason: str,
) -> None:
    """Its submission may have ended long ago: nobody watches it any more."""
    data = {"verdict": run.verdict, "decision": decision.value, "reason": reason}
    await store.add_event(connection, submission.id, run.id, "decided", data)
    await bring(connection, submission, run.id, f"decided:{run.id}")


async def bring(connection: AsyncConnection, submission: Row[Any], run_id: int, key: str) -> None:
    """Have a decision about a run brought to its owner, where they are: what is measured again was sent by
    nobody, so where they were when they sent the first."""
    first = submission.repeats and await store.submission(connection, submission.repeats)
    if (first or submission).channel == "discord":
        payload = {"submission_id": submission.id, "run_id": run_id}
        await outbox.add(connection, key, "decided", payload)


async def settle(connection: AsyncConnection, submission: Row[Any]) -> None:
    """When this was the last run, say so once to whoever does not watch by themselves."""
    if not await store.settle(connection, submission.id):
        return
    if submission.channel == "discord":
        key = f"finished:{submission.id}"
        await outbox.add(connection, key, "finished", {"submission_id": submission.id})
