"""Submissions, their runs, and what happened to them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.scoring import Score
from kernelbot.domain.submission import REJUDGE, Outcome
from kernelbot.judge.protocol import Verdict, VerdictKind, to_json
from kernelbot.storage import changes
from kernelbot.storage.database import storable
from kernelbot.storage.tables import (
    run_events,
    runs,
    submissions,
    verdicts,
)

# Held until the end of the transaction, so that two requests of one person count one after the other.
LOCK_PERSON = text("SELECT pg_advisory_xact_lock(:classid, :user)")
PERSON_LOCKS = 1

# Everything admission asks the database, in one answer.
FACTS = text(
    """
    SELECT l.id, l.name, l.problem_id, l.opens_at, l.closes_at, l.ranked_per_hour,
           l.other_per_hour, c.id AS competition_id, c.name AS competition, c.visibility,
           c.public_from, c.document->'gpu_seconds_per_day' AS gpu_seconds, p.name AS problem,
           p.digest AS problem_digest, p.document->>'title' AS title,
           p.document->'languages' AS languages, g.gpus, used.*,
           coalesce((p.document->>'world_size')::int, (p.document->'task'->>'world_size')::int, 1)
               AS world_size,
           p.document->'world_sizes' AS world_sizes,
           jsonb_array_length(p.document->'benchmarks') AS benchmarks,
           jsonb_array_length(p.document->'cpu_benchmarks') AS cpu_benchmarks,
           p.document->'packages' AS packages,
           CASE WHEN p.document->'packages' IS NOT NULL THEN p.document->'contestant_files' END AS beside,
           before.id AS before_id, before.code_digest AS before_code,
           before.mode AS before_mode, before.leaderboard_id AS before_board,
           before.profile_case AS before_case,
           (SELECT array_agg(gpu) FROM runs WHERE submission_id = before.id) AS before_gpus,
           (SELECT jsonb_object_agg(gpu, reason) FROM pauses) AS paused
    FROM leaderboards l
    JOIN competitions c ON c.id = l.competition_id
    JOIN problems p ON p.id = l.problem_id
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(gpu ORDER BY place), '{}') AS gpus
        FROM leaderboard_gpus WHERE leaderboard_id = l.id AND offered
    ) g
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE mode = 'ranked') AS used_ranked,
               count(*) FILTER (WHERE mode <> 'ranked') AS used_other,
               min(created_at) FILTER (WHERE mode = 'ranked') AS oldest_ranked,
               min(created_at) FILTER (WHERE mode <> 'ranked') AS oldest_other
        FROM submissions
        WHERE user_id = :user AND leaderboard_id = l.id AND NOT refunded AND repeats IS NULL
          AND created_at > now() - interval '1 hour'
    ) used
    LEFT JOIN submissions before ON before.user_id = :user AND before.idempotency_key = :key
    WHERE lower(l.name) = lower(:name) AND NOT l.retired
    """
)

ADD = text(
    """
    WITH blob AS (
        INSERT INTO code_blobs (digest, content) VALUES (:code_digest, :code)
        ON CONFLICT (digest) DO NOTHING
    ), added AS (
        INSERT INTO submissions (leaderboard_id, problem_id, user_id, mode, file_name, language,
                                 code_digest, channel, profile_case, idempotency_key, repeats)
        VALUES (:leaderboard_id, :problem_id, :user_id, :mode, :file_name, :language,
                :code_digest, :channel, :profile_case, :idempotency_key, :repeats)
        RETURNING id, created_at
    )
    INSERT INTO runs (submission_id, leaderboard_id, user_id, code_digest, gpu, mode, priority,
                      queue_id, problem_digest)
    SELECT added.id, :leaderboard_id, :user_id, :code_digest, place.gpu, :mode, :priority,
           place.queue_id, :problem_digest
    FROM added, unnest(CAST(:gpus AS text[]), CAST(:queue_ids AS bigint[]))
                WITH ORDINALITY AS place(gpu, queue_id, nth)
    ORDER BY nth
    RETURNING id, submission_id, gpu, queue_id, created_at
    """
)

# Each names the first submission of its code, whichever repeat of it is measured again.
REPEAT = text(
    """
    WITH wanted AS (
        SELECT coalesce(s.repeats, s.id) AS first, place.gpu, place.queue_id, place.nth
        FROM unnest(CAST(:submissions AS bigint[]), CAST(:gpus AS text[]),
                    CAST(:queue_ids AS bigint[]))
             WITH ORDINALITY AS place(submission_id, gpu, queue_id, nth)
        JOIN submissions s ON s.id = place.submission_id
    ), added AS (
        INSERT INTO submissions (leaderboard_id, problem_id, user_id, mode, file_name, language,
                                 code_digest, channel, repeats)
        SELECT s.leaderboard_id, :problem_id, s.user_id, s.mode, s.file_name, s.language,
               s.code_digest, :channel, s.id
        FROM (SELECT first, min(nth) AS nth FROM wanted GROUP BY first) each
        JOIN submissions s ON s.id = each.first
        ORDER BY each.nth
        RETURNING id, leaderboard_id, user_id, code_digest, mode, repeats
    )
    INSERT INTO runs (submission_id, leaderboard_id, user_id, code_digest, gpu, mode, priority,
                      queue_id, problem_digest)
    SELECT added.id, added.leaderboard_id, added.user_id, added.code_digest, wanted.gpu, added.mode,
           :priority, wanted.queue_id, p.digest
    FROM added JOIN wanted ON wanted.first = added.repeats JOIN problems p ON p.id = :problem_id
    ORDER BY wanted.nth
    RETURNING id, submission_id, gpu
    """
)

RUN_AGAIN = text(
    """
    WITH added AS (
        INSERT INTO submissions (leaderboard_id, problem_id, user_id, mode, file_name, language,
                                 code_digest, channel, profile_case, refunded)
        SELECT leaderboard_id, :problem_id, user_id, mode, file_name, language, code_digest, channel,
               profile_case, true
        FROM submissions WHERE id = :id
        RETURNING id, leaderboard_id, user_id, code_digest, mode
    )
    INSERT INTO runs (submission_id, leaderboard_id, user_id, code_digest, gpu, mode, priority,
                      queue_id, problem_digest)
    SELECT added.id, added.leaderboard_id, added.user_id, added.code_digest, place.gpu, added.mode,
           :priority, place.queue_id, p.digest
    FROM added JOIN problems p ON p.id = :problem_id,
         unnest(CAST(:gpus AS text[]), CAST(:queue_ids AS bigint[]))
             WITH ORDINALITY AS place(gpu, queue_id, nth)
    ORDER BY place.nth
    RETURNING submission_id
    """
)
UNDER_WAY_AGAIN = text(
    """
    SELECT max(id) FROM submissions
    WHERE user_id = :user AND leaderboard_id = :board AND code_digest = :code AND mode = :mode
      AND refunded AND repeats IS NULL AND id > :id AND status IN ('queued', 'running')
    """
)

UNBEGUN = text(
    """
    SELECT r.id, r.submission_id, r.queue_id, r.gpu, s.language, s.mode, s.leaderboard_id,
           s.repeats IS NOT NULL
           -- What is judged again on the version that is posed has a result on it: that is the point.
           AND (s.channel <> 'rejudge' OR r.problem_digest <> posed.digest)
           AND EXISTS (SELECT FROM entries e
                       WHERE e.leaderboard_id = r.leaderboard_id AND e.gpu = r.gpu
                         AND e.user_id = r.user_id AND e.code_digest = r.code_digest
                         AND e.problem_digest = posed.digest) AS known
    FROM unnest(CAST(:boards AS bigint[]), CAST(:digests AS text[])) posed(board, digest)
    JOIN submissions s ON s.leaderboard_id = posed.board
    JOIN runs r ON r.submission_id = s.id
    WHERE s.status IN ('queued', 'running') AND r.status = 'queued'
    ORDER BY r.id
    """
)
WITHDRAW = text(
    """
    UPDATE runs SET status = 'cancelled', note = :note, finished_at = now()
    WHERE id = :id AND status = 'queued' RETURNING id
    """
)
REFUND = text("UPDATE submissions SET refunded = true WHERE id = :id")

LOCK_QUEUED = text(
    """
    SELECT id, status = 'queued' AND mode = 'ranked' AS waits FROM submissions
    WHERE (leaderboard_id = ANY(:boards) AND mode = 'ranked' AND status = 'queued')
       OR id = ANY(:others)
    ORDER BY id FOR NO KEY UPDATE
    """
)
# What was to be judged again on the former version is measured again on this one, like everybody's.
MOVE = text(
    """
    WITH moved AS (
        UPDATE submissions
        SET problem_id = :problem_id,
            channel = CASE channel WHEN 'rejudge' THEN 'repeat' ELSE channel END
        WHERE id = ANY(:ids) AND leaderboard_id = :board AND language = ANY(:languages)
        RETURNING id
    )
    UPDATE runs SET problem_digest = :digest FROM moved WHERE submission_id = moved.id
    """
)

SUBMISSION = """
    SELECT s.*, l.name AS leaderboard, c.name AS competition, p.name AS problem,
           p.document->>'title' AS title, u.name AS user_name
    FROM submissions s
    JOIN leaderboards l ON l.id = s.leaderboard_id
    JOIN competitions c ON c.id = l.competition_id
    JOIN problems p ON p.id = s.problem_id
    JOIN users u ON u.id = s.user_id
"""
ONE = text(SUBMISSION + " WHERE s.id = :id")
MINE = text(
    SUBMISSION
    + """ WHERE s.user_id = :user AND s.id < :before
          AND (CAST(:leaderboard AS text) IS NULL OR lower(l.name) = lower(:leaderboard))
          ORDER BY s.id DESC LIMIT :limit"""
)

RUNS = text(
    """
    SELECT r.*, v.document AS verdict_document, v.decision, v.reason, v.decided_at,
           CASE WHEN r.status = 'queued' THEN (SELECT extract(epoch FROM q.execute_after - now())
                                               FROM pgqueuer q WHERE q.id = r.queue_id) END AS pause_s
    FROM runs r LEFT JOIN verdicts v ON v.run_id = r.id
    WHERE r.submission_id = ANY(:ids) ORDER BY r.id
    """
)


async def lock_person(connection: AsyncConnection, user_id: int) -> None:
    """One accepted submission of a person at a time."""
    values = {"classid": PERSON_LOCKS, "user": user_id & 0x7FFFFFFF}
    await connection.execute(LOCK_PERSON, values)


async def facts(
    connection: AsyncConnection, user_id: int, leaderboard: str, key: str | None
) -> Row[Any] | None:
    """The leaderboard, what this person used of its allowance within the hour, and what they sent
    before under this key; None when there is no such leaderboard."""
    values = {"user": user_id, "name": leaderboard, "key": key}
    return (await connection.execute(FACTS, values)).first()


async def add(connection: AsyncConnection, **values: Any) -> list[Row[Any]]:
    """Store a submission, its code (once, whoever sends it) and its runs; the runs."""
    return list((await connection.execute(ADD, values)).all())


async def repeat(
    connection: AsyncConnection,
    ids: Sequence[int],
    gpus: Sequence[str],
    queue_ids: Sequence[int],
    *,
    problem_id: int,
    priority: int,
    channel: str,
) -> Sequence[Row[Any]]:
    """Send these ranked submissions again for a version of the problem, each on the GPU beside it; the new
    runs: (id, submission_id, gpu)."""
    values = {"submissions": list(ids), "gpus": list(gpus), "queue_ids": list(queue_ids)}
    added = await connection.execute(
        REPEAT,
        {**values, "problem_id": problem_id, "priority": priority, "channel": channel},
    )
    return added.all()


async def run_again(
    connection: AsyncConnection,
    submission_id: int,
    gpus: Sequence[str],
    queue_ids: Sequence[int],
    *,
    problem_id: int,
    priority: int,
) -> int:
    """Send a submission again for its owner, at no cost to them; the id of the new one."""
    values = {
        "id": submission_id,
        "gpus": list(gpus),
        "queue_ids": list(queue_ids),
        "problem_id": problem_id,
        "priority": priority,
    }
    added = (await connection.execute(RUN_AGAIN, values)).all()
    return int(added[0].submission_id)


async def under_way_again(connection: AsyncConnection, sent: Row[Any]) -> int | None:
    """The submission that runs this one again (``run_again``) and has not ended."""
    values = {
        "user": sent.user_id,
        "board": sent.leaderboard_id,
        "code": sent.code_digest,
        "mode": sent.mode,
        "id": sent.id,
    }
    found: int | None = (await connection.execute(UNDER_WAY_AGAIN, values)).scalar()
    return found


async def unbegun(connection: AsyncConnection, boards: Mapping[int, str]) -> Sequence[Row[Any]]:
    """The runs on these boards that nobody has begun, with their submissions' language and mode; ``known``
    are those that measure again what has a result on the version whose digest the board is given with."""
    values = {"boards": list(boards), "digests": list(boards.values())}
    return (await connection.execute(UNBEGUN, values)).all()


UNJUDGED = text(
    """
    SELECT count(*) FROM runs r JOIN submissions s ON s.id = r.submission_id
    WHERE s.leaderboard_id = :board AND s.mode = 'ranked' AND s.status IN ('queued', 'running')
      AND r.status IN ('queued', 'running')
    """
)


async def unjudged(connection: AsyncConnection, board_id: int) -> int:
    """How many ranked runs on this board have not ended."""
    return int((await connection.execute(UNJUDGED, {"board": board_id})).scalar_one())


NOT_OFFERED = text(
    """
    SELECT r.id, r.submission_id, r.queue_id, r.gpu, l.retired
    FROM runs r
    JOIN leaderboards l ON l.id = r.leaderboard_id
    JOIN leaderboard_gpus g ON g.leaderboard_id = r.leaderboard_id AND g.gpu = r.gpu
    WHERE r.status = 'queued' AND (l.retired OR NOT g.offered)
    ORDER BY r.id
    """
)


async def not_offered(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The runs that wait for a GPU which their leaderboard offers no longer, or on one that is hidden (``retired``)."""
    return (await connection.execute(NOT_OFFERED)).all()


async def withdraw(connection: AsyncConnection, run_id: int, note: str) -> bool:
    """End a run that nobody has begun, and say why. False: it has begun. The caller holds its job and its
    submission."""
    ended = (await connection.execute(WITHDRAW, {"id": run_id, "note": note})).first()
    return ended is not None


async def refund(connection: AsyncConnection, submission_id: int) -> None:
    """It costs its owner nothing, whatever comes of it."""
    await connection.execute(REFUND, {"id": submission_id})


async def lock_queued(
    connection: AsyncConnection, boards: Sequence[int], others: Sequence[int]
) -> Sequence[int]:
    """The ranked submissions to these boards of which nothing has begun; none begins before the end
    of the transaction. ``others`` are locked with them, in one order."""
    rows = await connection.execute(LOCK_QUEUED, {"boards": list(boards), "others": list(others)})
    return [row.id for row in rows if row.waits]


async def move(
    connection: AsyncConnection,
    ids: Sequence[int],
    *,
    board_id: int,
    problem_id: int,
    digest: str,
    languages: Sequence[str],
) -> None:
    """Have those of ``lock_queued`` that are in one of these languages run on another version."""
    values = {"ids": list(ids), "board": board_id, "problem_id": problem_id}
    await connection.execute(MOVE, {**values, "digest": digest, "languages": list(languages)})


async def submission(connection: AsyncConnection, submission_id: int) -> Row[Any] | None:
    return (await connection.execute(ONE, {"id": submission_id})).first()


async def mine(
    connection: AsyncConnection, user_id: int, leaderboard: str | None, before: int, limit: int
) -> Sequence[Row[Any]]:
    values = {"user": user_id, "leaderboard": leaderboard, "before": before, "limit": limit}
    return (await connection.execute(MINE, values)).all()


# By what a number begins with: each length of it is a span of the primary key.
NUMBERED = text(
    """
    SELECT s.id, l.name AS leaderboard, s.mode, s.status, u.name AS user_name, s.created_at
    FROM unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) AS span(low, high)
    CROSS JOIN LATERAL (SELECT * FROM submissions WHERE id BETWEEN span.low AND span.high
                        ORDER BY id DESC LIMIT :limit) s
    JOIN leaderboards l ON l.id = s.leaderboard_id JOIN users u ON u.id = s.user_id
    ORDER BY span.low, s.id DESC LIMIT :limit
    """
)
NEWEST = text(
    """
    SELECT s.id, l.name AS leaderboard, s.mode, s.status, u.name AS user_name, s.created_at
    FROM (SELECT * FROM submissions ORDER BY id DESC LIMIT :among) s
    JOIN leaderboards l ON l.id = s.leaderboard_id JOIN users u ON u.id = s.user_id
    WHERE strpos(lower(u.name || ' ' || l.name), lower(:typed)) > 0
    ORDER BY s.id DESC LIMIT :limit
    """
)


async def numbered(
    connection: AsyncConnection, spans: Sequence[tuple[int, int]], limit: int
) -> Sequence[Row[Any]]:
    """Submissions of anybody whose numbers are in these spans, span by span, the newest first."""
    lows, highs = zip(*spans, strict=True)
    values = {"lows": list(lows), "highs": list(highs), "limit": limit}
    return (await connection.execute(NUMBERED, values)).all()


async def newest(
    connection: AsyncConnection, typed: str, among: int, limit: int
) -> Sequence[Row[Any]]:
    """Of the newest submissions of anybody those with this in their owner's or leaderboard's name."""
    values = {"typed": typed, "among": among, "limit": limit}
    return (await connection.execute(NEWEST, values)).all()


async def runs_of(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Row[Any]]:
    return (await connection.execute(RUNS, {"ids": list(ids)})).all()


async def gpu_of(connection: AsyncConnection, run_id: int) -> str:
    query = select(runs.c.gpu).where(runs.c.id == run_id)
    return str((await connection.execute(query)).scalar_one())


async def submission_of(connection: AsyncConnection, run_id: int) -> int | None:
    """The submission that a run belongs to."""
    query = select(runs.c.submission_id).where(runs.c.id == run_id)
    return (await connection.execute(query)).scalar()


CODE = text(
    """
    SELECT s.file_name, s.user_id, b.content, c.document->>'licence' AS licence
    FROM submissions s
    JOIN code_blobs b ON b.digest = s.code_digest
    JOIN leaderboards l ON l.id = s.leaderboard_id
    JOIN competitions c ON c.id = l.competition_id
    WHERE s.id = :id
    """
)
# Code that counted and counts still, on a board whose code is open.
OPENED = text(
    """
    SELECT c.id AS competition_id, c.visibility, c.public_from
    FROM submissions s
    JOIN leaderboards l ON l.id = s.leaderboard_id
    JOIN competitions c ON c.id = l.competition_id
    WHERE s.id = :id AND l.code_opens_at <= now() AND NOT l.retired AND s.mode = 'ranked'
      AND EXISTS (SELECT FROM entries e WHERE e.leaderboard_id = l.id AND e.user_id = s.user_id
                  AND e.code_digest = s.code_digest AND NOT e.void)
    """
)


async def code(connection: AsyncConnection, submission_id: int) -> Any:
    return (await connection.execute(CODE, {"id": submission_id})).first()


async def opened(connection: AsyncConnection, submission_id: int) -> Row[Any] | None:
    """The competition of a submission whose code is open; None while it is not."""
    return (await connection.execute(OPENED, {"id": submission_id})).first()


IS_MEASURED_AGAIN = text(
    """
    SELECT s.repeats IS NOT NULL AND s.channel <> :rejudge AND sent.digest = posed.digest
    FROM submissions s
    JOIN problems sent ON sent.id = s.problem_id
    JOIN leaderboards l ON l.id = s.leaderboard_id
    JOIN problems posed ON posed.id = l.problem_id
    WHERE s.id = :id
    """
)


async def is_measured_again(connection: AsyncConnection, submission_id: int) -> bool:
    """Whether this measures code again on the version of the problem that is posed."""
    values = {"id": submission_id, "rejudge": REJUDGE}
    return bool((await connection.execute(IS_MEASURED_AGAIN, values)).scalar())


async def repeated_as(connection: AsyncConnection, submission_id: int) -> int | None:
    """The latest submission that measures this one again on another version of the problem."""
    query = select(func.max(submissions.c.id)).where(
        submissions.c.repeats == submission_id, submissions.c.channel != REJUDGE
    )
    found: int | None = (await connection.execute(query)).scalar()
    return found


# --- events ------------------------------------------------------------------------------------


ADD_EVENT = text(
    """
    WITH told AS (
        INSERT INTO run_events (submission_id, run_id, kind, data)
        VALUES (:submission, :run, :kind, CAST(:data AS jsonb)) RETURNING submission_id
    )
    SELECT pg_notify(:channel, submission_id::text) FROM told
    """
)


async def add_event(
    connection: AsyncConnection,
    submission_id: int,
    run_id: int | None,
    kind: str,
    data: Mapping[str, Any],
) -> None:
    """Write down a step and wake whoever watches this submission.

    The caller holds the submission's lock: ids are given out before they can be seen, and without it
    a watcher could see a later step first and never ask for the earlier one.
    """
    values = {
        "submission": submission_id,
        "run": run_id,
        "kind": kind,
        "data": json.dumps(storable(data)),
        "channel": changes.SUBMISSION,
    }
    await connection.execute(ADD_EVENT, values)


async def events(
    connection: AsyncConnection, submission_id: int, after: int, limit: int
) -> Sequence[Row[Any]]:
    query = (
        select(run_events, runs.c.gpu)
        .outerjoin(runs, runs.c.id == run_events.c.run_id)
        .where(run_events.c.submission_id == submission_id, run_events.c.id > after)
        .order_by(run_events.c.id)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def steps(
    connection: AsyncConnection, submission_id: int, run_id: int, kind: str, attempt: int
) -> int:
    """How many steps of this kind that name this attempt a run has had."""
    query = (
        select(func.count())
        .select_from(run_events)
        .where(run_events.c.submission_id == submission_id, run_events.c.run_id == run_id)
        .where(run_events.c.kind == kind)
        .where(run_events.c.data["attempt"].as_integer() == attempt)
    )
    return int((await connection.execute(query)).scalar_one())


async def forget_events(connection: AsyncConnection, days: int) -> None:
    """Steps are for watching; the verdict stays."""
    await connection.execute(
        text("DELETE FROM run_events WHERE created_at < now() - make_interval(days => :days)"),
        {"days": days},
    )


# --- the life of a run ---------------------------------------------------------------------------

# The lease goes to whoever claimed last: an older holder's word no longer counts.
LEASE = text(
    """
    WITH before AS (
        SELECT r.id, r.status AS was, w.lease, w.nth
        FROM unnest(CAST(:places AS bigint[]), CAST(:leases AS uuid[]))
             WITH ORDINALITY AS w(queue_id, lease, nth)
        JOIN runs r ON r.queue_id = w.queue_id AND r.status IN ('queued', 'running')
    ), leased AS (
        UPDATE runs SET status = 'running', lease = before.lease, worker_id = :worker,
               attempt = attempt + 1, progress = '', started_at = now(), judged_at = NULL,
               heartbeat_at = now(),
               device_ids = NULL, runner_id = (SELECT id FROM runners WHERE session = :worker)
        FROM before WHERE runs.id = before.id
        RETURNING runs.*, before.was, before.nth
    ), begun AS (
        UPDATE submissions SET status = 'running'
        WHERE id IN (SELECT submission_id FROM leased) AND status = 'queued'
    ), told AS (
        INSERT INTO run_events (submission_id, run_id, kind, data)
        SELECT submission_id, id, 'started', jsonb_build_object('attempt', attempt)
        FROM leased ORDER BY nth RETURNING submission_id
    ), woken AS MATERIALIZED (
        SELECT pg_notify(:channel, submission_id::text) FROM told
    )
    SELECT leased.*, (SELECT count(*) FROM woken) AS woken FROM leased ORDER BY nth
    """
)
TAKE = text(
    """
    UPDATE runs SET lease = :lease WHERE queue_id = :queue AND status = 'running' RETURNING *
    """
)
FINISH = text(
    """
    WITH run AS (
        UPDATE runs SET status = :status, verdict = :verdict, seconds = :seconds, error = :error,
               note = :note, judge_digest = :judge, device = :device, lease = NULL, progress = '',
               finished_at = now(),
               -- A place that tells its steps at the end says at least how long it took.
               judged_at = CASE WHEN judged_at IS NOT NULL OR CAST(:judged AS boolean) THEN greatest(
                   started_at, least(judged_at, now() - make_interval(secs => CAST(:took AS float)))) END
        WHERE id = :id AND lease = :lease AND status = 'running'
        RETURNING *
    ), said AS (
        INSERT INTO verdicts (run_id, attempt, document)
        SELECT id, attempt, CAST(:document AS jsonb) FROM run WHERE :verdict IS NOT NULL
    ), timed AS (
        INSERT INTO measurements (run_id, case_index, spec, ns, low_ns, high_ns, samples, clock)
        SELECT run.id, m.* FROM run, jsonb_to_recordset(CAST(:timed AS jsonb)) AS m(
            case_index integer, spec text, ns float, low_ns float, high_ns float, samples integer,
            clock text)
    )
    SELECT * FROM run
    """
)
RELEASE = text(
    """
    UPDATE runs SET status = 'queued', lease = NULL, progress = '', judged_at = NULL,
           handle = CASE WHEN CAST(:keep AS boolean) THEN handle END,
           attempt = attempt - CAST(:refund AS integer)
    WHERE id = :id AND lease = :lease AND status = 'running'
    RETURNING id
    """
)
# A submission is done when no run of it is left; only the run that makes it so finds it so, because
# recording locks the submission first.
SETTLE = text(
    """
    UPDATE submissions s SET finished_at = now(),
           refunded = refunded OR EXISTS (SELECT FROM runs WHERE submission_id = s.id
                                          AND verdict = 'judge_failed'),
           status = CASE WHEN EXISTS (SELECT FROM runs WHERE submission_id = s.id AND status = 'done')
                         THEN 'done' ELSE 'cancelled' END
    WHERE s.id = :id AND s.status NOT IN ('done', 'cancelled') AND NOT EXISTS (
        SELECT FROM runs WHERE submission_id = s.id AND status NOT IN ('done', 'cancelled'))
    RETURNING s.id
    """
)


# NO KEY UPDATE: whoever writes a row that refers to a submission or a run need not wait for its
# holder, who may be waiting for them.
async def lock(connection: AsyncConnection, submission_id: int) -> Row[Any] | None:
    query = (
        select(submissions).where(submissions.c.id == submission_id).with_for_update(key_share=True)
    )
    return (await connection.execute(query)).first()


# The run's job first, then its submission.
LOCK_RUN = text(
    """
    WITH job AS MATERIALIZED (
        SELECT id FROM pgqueuer WHERE id = (SELECT queue_id FROM runs WHERE id = :run) FOR UPDATE
    )
    SELECT * FROM submissions WHERE id = :id AND (SELECT count(*) FROM job) >= 0 FOR NO KEY UPDATE
    """
)


async def lock_run(connection: AsyncConnection, run_id: int, submission_id: int) -> Row[Any] | None:
    """Hold a run's job and its submission, which is the answer, until the end of the transaction; before anything
    else is held."""
    return (await connection.execute(LOCK_RUN, {"run": run_id, "id": submission_id})).first()


LOCK_WAITING = text(
    """
    SELECT id FROM submissions
    WHERE id IN (SELECT submission_id FROM runs
                 WHERE queue_id = ANY(:queue) AND status IN ('queued', 'running'))
    ORDER BY id FOR NO KEY UPDATE
    """
)


async def lock_waiting(connection: AsyncConnection, queue_ids: Sequence[int]) -> None:
    """Lock the submissions whose runs wait at these places of the queue."""
    await connection.execute(LOCK_WAITING, {"queue": list(queue_ids)})


async def lease(
    connection: AsyncConnection, queue_ids: Sequence[int], worker_id: uuid.UUID
) -> Sequence[Row[Any]]:
    """Make this worker the holder of the runs that wait at these places of the queue, and say that they have begun;
    ``was`` is the status that a run had: running, where another worker had it and fell silent.

    Those that need nobody any more are not among them. The caller has locked their submissions.
    """
    values = {
        "places": list(queue_ids),
        "leases": [uuid.uuid4() for _ in queue_ids],
        "worker": worker_id,
        "channel": changes.SUBMISSION,
    }
    return (await connection.execute(LEASE, values)).all()


# A run with everything that it is judged from.
TO_JUDGE = text(
    """
    SELECT r.*, s.problem_id, s.profile_case, s.file_name, b.content
    FROM runs r JOIN submissions s ON s.id = r.submission_id
    JOIN code_blobs b ON b.digest = r.code_digest
    WHERE r.id = :id AND r.lease = :lease AND r.worker_id = :worker AND r.status = 'running'
    """
)


async def to_judge(
    connection: AsyncConnection, worker_id: uuid.UUID, run_id: int, lease: uuid.UUID
) -> Row[Any] | None:
    """The run with its code, if this worker holds it under this lease."""
    values = {"id": run_id, "lease": lease, "worker": worker_id}
    return (await connection.execute(TO_JUDGE, values)).first()


async def take(connection: AsyncConnection, queue_id: int) -> Row[Any] | None:
    """Take the lease of a run from a worker that is gone, to say what becomes of it; None when nobody had it.

    The caller holds its job and its submission."""
    values = {"queue": queue_id, "lease": uuid.uuid4()}
    return (await connection.execute(TAKE, values)).first()


async def set_handle(
    connection: AsyncConnection, run_id: int, lease: uuid.UUID, handle: str
) -> bool:
    """Where a run goes on, for whoever holds it next; False when the lease is no longer theirs."""
    held = (runs.c.id == run_id, runs.c.lease == lease)
    changed = update(runs).where(*held).values(handle=handle).returning(runs.c.id)
    return (await connection.execute(changed)).first() is not None


# One statement, so one transaction: the submission is locked before the event gets its id (see add_event).
PROGRESS = text(
    """
    WITH held AS MATERIALIZED (
        SELECT id FROM submissions WHERE id = (SELECT submission_id FROM runs WHERE id = :run)
        FOR NO KEY UPDATE
    ), run AS (
        UPDATE runs SET progress = :progress, judged_at = coalesce(judged_at, now()) FROM held
        WHERE runs.id = :run AND runs.lease = :lease AND runs.submission_id = held.id
          AND runs.worker_id = coalesce(CAST(:worker AS uuid), runs.worker_id)
        RETURNING runs.id, runs.submission_id, runs.mode
    ), told AS (
        INSERT INTO run_events (submission_id, run_id, kind, data)
        SELECT submission_id, id, :kind,
               CASE WHEN mode = 'ranked' THEN CAST(:data AS jsonb) - 'message' ELSE CAST(:data AS jsonb) END
        FROM run RETURNING submission_id
    )
    SELECT pg_notify(:channel, submission_id::text) FROM told
    """
)


async def progress(
    connection: AsyncConnection,
    run_id: int,
    lease: uuid.UUID,
    worker_id: uuid.UUID | None,
    *,
    words: str,
    kind: str,
    data: Mapping[str, Any],
) -> bool:
    """Write down a step and wake whoever watches; what a ranked run says stays secret. False when the lease is no
    longer theirs, or not this worker's."""
    values = {
        "run": run_id,
        "lease": lease,
        "worker": worker_id,
        "progress": words[:40],
        "kind": kind,
        "data": json.dumps(storable(data)),
        "channel": changes.SUBMISSION,
    }
    return (await connection.execute(PROGRESS, values)).first() is not None


async def finish(
    connection: AsyncConnection,
    run_id: int,
    lease: uuid.UUID,
    *,
    status: str,
    verdict: Verdict | None = None,
    seconds: float | None = None,
    error: float | None = None,
    note: str = "",
) -> Row[Any] | None:
    """End a run for its holder; None when the lease is no longer theirs."""
    values = {
        "id": run_id,
        "lease": lease,
        "status": status,
        "verdict": verdict.kind.value if verdict else None,
        "seconds": seconds,
        "error": error,
        "note": note,
        "judge": verdict.harness.judge_digest if verdict else None,
        "device": storable(verdict.device.name) if verdict else None,
        "document": json.dumps(storable(to_json(verdict))) if verdict else None,
        "timed": _timed(verdict) if verdict else "[]",
        "judged": verdict is not None and _was_judged(verdict),
        "took": max(verdict.spent.wall_s, verdict.spent.device_s) or None if verdict else None,
    }
    return (await connection.execute(FINISH, values)).first()


def _was_judged(verdict: Verdict) -> bool:
    """Whether somebody judged it, as far as the verdict tells."""
    spent = verdict.spent
    return verdict.kind is not VerdictKind.JUDGE_FAILED or max(spent.wall_s, spent.device_s) > 0


def _timed(verdict: Verdict) -> str:
    """The rows of its measurements."""
    return json.dumps(
        [
            {
                "case_index": case.index,
                "spec": storable(case.spec),
                "ns": time.ns,
                "low_ns": time.low_ns,
                "high_ns": time.high_ns,
                "samples": time.samples,
                "clock": time.clock,
            }
            for case in verdict.cases
            if (time := case.measurement) is not None
        ],
        allow_nan=False,
    )


# Those who decide about one run at a time wait for each other here. Only ranked runs are anybody's
# to decide about: what others say of themselves changes nothing.
LOCK_QUARANTINED = text(
    """
    SELECT r.id, r.submission_id, v.document FROM runs r JOIN verdicts v ON v.run_id = r.id
    WHERE r.id = :id AND r.verdict = 'quarantined' AND r.mode = 'ranked' FOR NO KEY UPDATE OF r
    """
)
QUARANTINED = text(
    """
    SELECT r.id, r.submission_id, r.gpu, r.mode, r.finished_at, l.name AS leaderboard,
           u.name AS user_name, v.document
    FROM runs r JOIN verdicts v ON v.run_id = r.id
    JOIN leaderboards l ON l.id = r.leaderboard_id JOIN users u ON u.id = r.user_id
    WHERE r.verdict = 'quarantined' AND r.mode = 'ranked' AND r.id > :after
    ORDER BY r.id LIMIT :limit
    """
)
DECIDE = text(
    """
    UPDATE runs SET verdict = :verdict, seconds = :seconds, error = :error, note = :note
    WHERE id = :id RETURNING *
    """
)


async def quarantined(connection: AsyncConnection, after: int, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(QUARANTINED, {"after": after, "limit": limit})).all()


COUNT_QUARANTINED = text(
    "SELECT count(*) FROM runs WHERE verdict = 'quarantined' AND mode = 'ranked'"
)


async def count_quarantined(connection: AsyncConnection) -> int:
    return int((await connection.execute(COUNT_QUARANTINED)).scalar_one())


async def lock_quarantined(connection: AsyncConnection, run_id: int) -> Row[Any] | None:
    """The run, if it waits for a decision. The caller has locked its submission."""
    return (await connection.execute(LOCK_QUARANTINED, {"id": run_id})).first()


async def decide(
    connection: AsyncConnection,
    run_id: int,
    verdict: Verdict,
    score: Score | None,
    decision: Outcome,
    reason: str,
    note: str = "",
) -> Row[Any]:
    """Replace the verdict of a run that a person has decided about; its measurements stay."""
    values = {
        "id": run_id,
        "note": note,
        "verdict": verdict.kind.value,
        "seconds": score.seconds if score else None,
        "error": score.error if score else None,
    }
    row: Row[Any] = (await connection.execute(DECIDE, values)).one()
    await connection.execute(
        update(verdicts)
        .where(verdicts.c.run_id == run_id)
        .values(
            document=storable(to_json(verdict)),
            decision=decision.value,
            reason=storable(reason),
            decided_at=func.now(),
        )
    )
    return row


async def release(
    connection: AsyncConnection, run_id: int, lease: uuid.UUID, *, refund: bool, keep: bool
) -> bool:
    """Put a run back in the queue; with ``refund`` the attempt does not count (orderly shutdown), with
    ``keep`` the next holder learns where it goes on."""
    values = {"id": run_id, "lease": lease, "refund": int(refund), "keep": keep}
    return (await connection.execute(RELEASE, values)).first() is not None


async def cancel_queued(connection: AsyncConnection, submission_id: int) -> Sequence[Row[Any]]:
    result = await connection.execute(
        text(
            "UPDATE runs SET status = 'cancelled', finished_at = now() "
            "WHERE submission_id = :id AND status = 'queued' RETURNING *"
        ),
        {"id": submission_id},
    )
    return result.all()


async def request_cancel(connection: AsyncConnection, submission_id: int) -> int:
    """How many running runs were asked to stop."""
    result = await connection.execute(
        text(
            "UPDATE runs SET cancel_requested = true "
            "WHERE submission_id = :id AND status = 'running'"
        ),
        {"id": submission_id},
    )
    return int(result.rowcount)


async def settle(connection: AsyncConnection, submission_id: int) -> bool:
    """Mark the submission done if its last run is; True for the one caller that made it so.

    It costs nothing of the allowance when any of its runs failed by our fault, whichever ended last.
    """
    result = await connection.execute(SETTLE, {"id": submission_id})
    return result.first() is not None
