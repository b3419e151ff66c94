"""Entries, standings, personal bests: written in the recording transaction, read by index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.ranking import Entry
from kernelbot.domain.scoring import Score
from kernelbot.storage.confirmations import OPEN
from kernelbot.storage.database import Database
from kernelbot.storage.tables import bests, standings

SCORES = text(
    """
    SELECT seconds, error, doubted FROM runs
    WHERE leaderboard_id = :board AND gpu = :gpu AND user_id = :user AND code_digest = :code
      AND mode = 'ranked' AND verdict = 'passed' AND problem_digest = :problem AND note = ''
    ORDER BY id
    """
)

# Code that was voided stays void: on another GPU, and measured again on another version.
PUT_ENTRY = text(
    """
    INSERT INTO entries AS e (leaderboard_id, gpu, user_id, code_digest, problem_digest, run_id,
                              submission_id, seconds, error, runs, submitted_at, void, reason,
                              decided_at)
    SELECT :board, :gpu, :user, :code, :problem, :run, s.id, :seconds, :error, :runs,
           coalesce(o.created_at, s.created_at), coalesce(v.void, false), coalesce(v.reason, ''),
           v.decided_at
    FROM submissions s
    LEFT JOIN submissions o ON o.id = s.repeats
    LEFT JOIN LATERAL (
        SELECT v.void, v.reason, v.decided_at FROM leaderboard_gpus g
        JOIN entries v ON v.leaderboard_id = g.leaderboard_id AND v.gpu = g.gpu
                      AND v.user_id = :user AND v.code_digest = :code
        WHERE g.leaderboard_id = :board AND v.void LIMIT 1
    ) v ON true
    WHERE s.id = :submission
    ON CONFLICT (leaderboard_id, gpu, user_id, code_digest, problem_digest) DO UPDATE
    SET seconds = excluded.seconds, error = excluded.error, runs = excluded.runs
    """
)

CURRENT = """
    (SELECT p.digest FROM leaderboards l JOIN problems p ON p.id = l.problem_id WHERE l.id = :board)
"""

# A person's standing is their best code on this version of the problem that is not void.
PUT_STANDING = text(
    f"""
    INSERT INTO standings AS st (leaderboard_id, gpu, user_id, code_digest, run_id, submission_id,
                                 seconds, error, runs, submitted_at)
    SELECT leaderboard_id, gpu, user_id, code_digest, run_id, submission_id,
           seconds, error, runs, submitted_at
    FROM entries
    WHERE leaderboard_id = :board AND gpu = :gpu AND user_id = :user AND NOT void
      AND problem_digest = {CURRENT}
    ORDER BY seconds, submitted_at LIMIT 1
    ON CONFLICT (leaderboard_id, gpu, user_id) DO UPDATE
    SET code_digest = excluded.code_digest, run_id = excluded.run_id,
        submission_id = excluded.submission_id, seconds = excluded.seconds,
        error = excluded.error, runs = excluded.runs, submitted_at = excluded.submitted_at
    RETURNING st.user_id, (SELECT name FROM users WHERE id = st.user_id) AS user_name,
              st.submission_id, st.run_id, st.seconds, st.error, st.runs, st.submitted_at
    """  # noqa: S608  made of constants
)
DROP_STANDING = text(
    "DELETE FROM standings WHERE leaderboard_id = :board AND gpu = :gpu AND user_id = :user"
)

CLEAR = text("DELETE FROM standings WHERE leaderboard_id = :board")
REBUILD = text(
    f"""
    INSERT INTO standings (leaderboard_id, gpu, user_id, code_digest, run_id, submission_id,
                           seconds, error, runs, submitted_at)
    SELECT DISTINCT ON (gpu, user_id) leaderboard_id, gpu, user_id, code_digest, run_id,
           submission_id, seconds, error, runs, submitted_at
    FROM entries WHERE leaderboard_id = :board AND NOT void AND problem_digest = {CURRENT}
    ORDER BY gpu, user_id, seconds, submitted_at
    """  # noqa: S608  made of constants
)
RAISE_ALL = text(
    """
    UPDATE leaderboard_gpus g SET revision = g.revision + 1, shown = g.shown + 1
    FROM (SELECT gpu FROM leaderboard_gpus WHERE leaderboard_id = :board
          ORDER BY gpu FOR UPDATE) held
    WHERE g.leaderboard_id = :board AND g.gpu = held.gpu
    """
)

UNCONFIRMED = f"""
    EXISTS (SELECT FROM confirmations c
            WHERE c.leaderboard_id = st.leaderboard_id AND c.gpu = st.gpu AND c.user_id = st.user_id
              AND c.code_digest = st.code_digest AND {OPEN}) AS unconfirmed
"""
ENTRIES = f"""
    SELECT st.user_id, u.name AS user_name, st.submission_id, st.run_id, st.seconds, st.error,
           st.runs, st.submitted_at, {UNCONFIRMED}
    FROM standings st JOIN users u ON u.id = st.user_id
    WHERE st.leaderboard_id = :board AND st.gpu = :gpu
    ORDER BY st.seconds, st.submitted_at
"""  # noqa: S608  made of constants
ALL = text(ENTRIES)
OWN_ENTRIES = text(
    f"""
    SELECT st.leaderboard_id, st.gpu, st.user_id, u.name AS user_name, st.submission_id, st.run_id,
           st.seconds, st.error, st.runs, st.submitted_at, {UNCONFIRMED}
    FROM standings st JOIN users u ON u.id = st.user_id
    WHERE st.leaderboard_id = ANY(:boards) AND st.user_id = :user
    """  # noqa: S608  made of constants
)
FIRST = text(ENTRIES + " LIMIT :limit")

# Of what a person has on the version of the problem that a run was on, the best; beside a ranked run its
# own code is nothing to compare with, because its times are pooled.
OWN_BEST = text(
    """
    SELECT e.submission_id, e.seconds, e.error FROM runs r
    JOIN entries e ON e.leaderboard_id = r.leaderboard_id AND e.gpu = r.gpu AND e.user_id = r.user_id
                  AND e.problem_digest = r.problem_digest
    WHERE r.id = :run AND NOT e.void AND (r.mode <> 'ranked' OR e.code_digest <> r.code_digest)
    ORDER BY e.seconds, e.submitted_at LIMIT 1
    """
)

# Since when a run counts: since its verdict, a decided one since the decision. What is measured again
# counts since it was measured first; what is judged again on the same version is a run like any other.
COUNTED_AT = """
    coalesce((SELECT coalesce(fv.decided_at, f.finished_at)
              FROM submissions s
              JOIN runs f ON f.submission_id = s.repeats AND f.gpu = r.gpu AND f.verdict = 'passed'
                         AND f.note = ''
              JOIN verdicts fv ON fv.run_id = f.id
              WHERE s.id = r.submission_id AND s.channel <> 'rejudge'),
             (SELECT coalesce(v.decided_at, r.finished_at) FROM verdicts v WHERE v.run_id = r.id))
"""
COUNTS = "r.mode = 'ranked' AND r.verdict = 'passed' AND r.note = ''"


# Whoever records on this board and GPU waits here for whoever is doing it, so before and after are
# two consecutive states of the board and each change gets a revision of its own. In a freeze nobody is
# shown what came of a run, unless it measures code again that had counted when the freeze began.
NEXT_REVISION = text(
    f"""
    UPDATE leaderboard_gpus g
    SET revision = g.revision + 1,
        shown = g.shown + CASE
            WHEN CAST(:run AS bigint) IS NULL OR l.frozen_from IS NULL
                 OR now() < l.frozen_from OR l.frozen_until <= now() THEN 1
            WHEN EXISTS (SELECT FROM runs own
                         JOIN submissions again ON again.id = own.submission_id
                         JOIN runs r ON r.leaderboard_id = own.leaderboard_id AND r.gpu = own.gpu
                                    AND r.user_id = own.user_id AND r.code_digest = own.code_digest
                         WHERE own.id = :run AND again.repeats IS NOT NULL
                           AND again.channel <> 'rejudge'
                           AND {COUNTS} AND {COUNTED_AT} < l.frozen_from) THEN 1
            ELSE 0 END
    FROM leaderboards l
    WHERE g.leaderboard_id = :board AND g.gpu = :gpu AND l.id = g.leaderboard_id
    RETURNING g.revision
    """  # noqa: S608  made of constants
)


def _shown(entry: str) -> str:
    """Whether a run of an entry counted before a freeze began; of any entry where there is none."""
    return f"""
        (CAST(:frozen_from AS timestamptz) IS NULL
         OR EXISTS (SELECT FROM runs r
                    WHERE r.leaderboard_id = {entry}.leaderboard_id AND r.gpu = {entry}.gpu
                      AND r.user_id = {entry}.user_id AND r.code_digest = {entry}.code_digest
                      AND r.problem_digest = {entry}.problem_digest
                      AND {COUNTS} AND {COUNTED_AT} < :frozen_from))
    """


# A board of a version of its problem, whichever is posed now.
ON_VERSION = text(
    """
    SELECT DISTINCT ON (e.user_id) e.user_id, u.name AS user_name, e.submission_id, e.run_id,
           e.seconds, e.error, e.runs, e.submitted_at
    FROM entries e JOIN users u ON u.id = e.user_id
    WHERE e.leaderboard_id = :board AND e.gpu = :gpu AND NOT e.void AND e.problem_digest = :digest
    ORDER BY e.user_id, e.seconds, e.submitted_at
    """
)
# Whose code is to be measured again, or was in vain by no fault of theirs; each with the version that it
# was measured on last. In a freeze only by what they had when it began.
UNMEASURED = text(
    f"""
    WITH unmeasured AS (
        SELECT r.user_id, r.code_digest
        FROM submissions s JOIN runs r ON r.submission_id = s.id
        WHERE s.leaderboard_id = :board AND s.repeats IS NOT NULL
          AND s.status IN ('queued', 'running')
          AND r.gpu = :gpu AND r.status IN ('queued', 'running')
        UNION
        SELECT r.user_id, r.code_digest
        FROM runs r JOIN submissions s ON s.id = r.submission_id
        WHERE r.leaderboard_id = :board AND r.gpu = :gpu AND r.mode = 'ranked'
          AND r.verdict IN ('quarantined', 'judge_failed') AND r.problem_digest = :digest
          AND s.repeats IS NOT NULL
    )
    SELECT DISTINCT ON (e.user_id) e.user_id, e.problem_digest
    FROM unmeasured JOIN entries e USING (user_id, code_digest)
    WHERE e.leaderboard_id = :board AND e.gpu = :gpu AND NOT e.void AND e.problem_digest <> :digest
      AND {_shown("e")}
    ORDER BY e.user_id, e.run_id DESC
    """  # noqa: S608  made of constants
)

# A board as it was: the best of everybody's codes that have no run since, as they are pooled now, and
# the single runs until then of those that have. A person's name is what it is now.
BOARD_BEFORE = text(
    f"""
    WITH there AS NOT MATERIALIZED (
        SELECT * FROM entries WHERE leaderboard_id = :board AND gpu = :gpu AND NOT void
                                AND problem_digest = :digest
    ), later AS MATERIALIZED (
        SELECT r.user_id, r.code_digest FROM runs r
        WHERE r.leaderboard_id = :board AND r.gpu = :gpu AND {COUNTS} AND r.finished_at >= :before
        UNION
        SELECT r.user_id, r.code_digest FROM verdicts v JOIN runs r ON r.id = v.run_id
        WHERE r.leaderboard_id = :board AND r.gpu = :gpu AND {COUNTS} AND v.decided_at >= :before
    ), found AS (
        (SELECT DISTINCT ON (user_id) code_digest, user_id, submission_id, run_id, seconds, error,
                runs, submitted_at
         FROM there
         WHERE NOT EXISTS (SELECT FROM later WHERE later.user_id = there.user_id
                           AND later.code_digest = there.code_digest)
         ORDER BY user_id, seconds, submitted_at)
        UNION ALL
        (SELECT e.code_digest, e.user_id, e.submission_id, e.run_id, r.seconds, r.error, 1,
                e.submitted_at
         FROM later JOIN there e USING (user_id, code_digest)
         JOIN runs r ON r.leaderboard_id = :board AND r.gpu = :gpu AND r.user_id = e.user_id
                    AND r.code_digest = e.code_digest AND r.problem_digest = e.problem_digest
                    AND {COUNTS}
         WHERE {COUNTED_AT} < :before)
    )
    SELECT found.*, u.name AS user_name FROM found JOIN users u ON u.id = found.user_id
    """  # noqa: S608  made of constants
)

REVISION = """
    SELECT l.id, l.name, c.id AS competition_id, c.visibility, c.public_from, l.frozen_from,
           l.frozen_until, now() AS at, g.gpu, g.offered, g.revision, g.shown, p.id AS problem_id,
           p.digest
    FROM leaderboards l
    JOIN competitions c ON c.id = l.competition_id
    JOIN problems p ON p.id = l.problem_id
    JOIN leaderboard_gpus g ON g.leaderboard_id = l.id
    WHERE lower(l.name) = ANY($1) AND NOT l.retired
    ORDER BY g.place
"""


@dataclass(frozen=True)
class Revision:
    """How often the standings of a board on a GPU have changed."""

    id: int  # of the leaderboard
    name: str
    competition_id: int
    visibility: str
    public_from: datetime | None
    frozen_from: datetime | None
    frozen_until: datetime | None
    at: datetime  # by the clock of the database, which is everybody's
    gpu: str
    offered: bool  # False: no longer; its standings stay
    revision: int
    shown: int  # less the changes that a freeze hides
    problem_id: int  # the version of the problem that is posed
    digest: str


REVISION_OF = text(
    """
    SELECT l.id, l.name, l.frozen_from, l.frozen_until, now() AS at, g.gpu, g.revision, g.shown,
           p.id AS problem_id, p.digest
    FROM leaderboards l JOIN leaderboard_gpus g ON g.leaderboard_id = l.id
    JOIN problems p ON p.id = l.problem_id
    WHERE l.id = :board AND g.gpu = :gpu
    """
)

REVISIONS_OF = text(
    """
    SELECT l.id, l.name, l.frozen_from, l.frozen_until, now() AS at, g.gpu, g.revision, g.shown,
           p.id AS problem_id, p.digest
    FROM leaderboards l JOIN leaderboard_gpus g ON g.leaderboard_id = l.id
    JOIN problems p ON p.id = l.problem_id
    WHERE l.id = ANY(:boards) ORDER BY l.id, g.place, g.gpu
    """
)

# What is void today is no best of anybody's, whenever it was set.
OF_BEST = """
    e.leaderboard_id = b.leaderboard_id AND e.gpu = b.gpu AND e.user_id = b.user_id
    AND e.code_digest = r.code_digest AND e.problem_digest = r.problem_digest
"""
# What a sick device measured is history once another has measured it.
STANDS = """
    NOT (r.doubted AND EXISTS (
        SELECT FROM runs o
        WHERE o.leaderboard_id = r.leaderboard_id AND o.gpu = r.gpu AND o.user_id = r.user_id
          AND o.code_digest = r.code_digest AND o.problem_digest = r.problem_digest
          AND o.mode = 'ranked' AND o.verdict = 'passed' AND o.note = '' AND NOT o.doubted))
"""
BESTS = text(
    f"""
    SELECT b.id, u.name AS user_name, b.submission_id, b.seconds, b.error, b.created_at
    FROM bests b JOIN users u ON u.id = b.user_id JOIN runs r ON r.id = b.run_id
    JOIN entries e ON {OF_BEST}
    WHERE b.leaderboard_id = :board AND b.gpu = :gpu AND b.id < :before AND NOT e.void AND {STANDS}
      AND (CAST(:user AS bigint) IS NULL OR b.user_id = :user)
      AND (CAST(:user_name AS text) IS NULL OR u.name = :user_name)
      AND (CAST(:hidden_from AS timestamptz) IS NULL OR {COUNTED_AT} < :hidden_from
           OR b.user_id = CAST(:reader AS bigint))
    ORDER BY b.id DESC LIMIT :limit
    """  # noqa: S608  made of constants
)


# What the times rest on of the runs that count for some entries; of each entry its first ones, as many as are pooled
# in it: a freeze shows no more of them.
EVIDENCE = text(
    f"""
    SELECT DISTINCT id, kind, evidence FROM (
        SELECT e.id, wanted.count, v.document->'device'->>'kind' AS kind,
               v.document->'harness'->>'evidence' AS evidence,
               row_number() OVER (PARTITION BY e.id ORDER BY r.id) AS place
        FROM unnest(CAST(:runs AS bigint[]), CAST(:counts AS integer[])) AS wanted (id, count)
        JOIN runs e ON e.id = wanted.id
        JOIN runs r ON r.leaderboard_id = e.leaderboard_id AND r.gpu = e.gpu AND r.user_id = e.user_id
                   AND r.code_digest = e.code_digest AND r.problem_digest = e.problem_digest
        JOIN verdicts v ON v.run_id = r.id
        WHERE {COUNTS} AND {STANDS}
    ) found
    WHERE place <= count
    """  # noqa: S608  made of constants
)


async def evidence(connection: AsyncConnection, pooled: Mapping[int, int]) -> Sequence[Row[Any]]:
    """``pooled``: the runs that entries name, with how many count in each. Rows of ``id``, ``kind`` and ``evidence``."""
    values = {"runs": list(pooled), "counts": list(pooled.values())}
    return (await connection.execute(EVIDENCE, values)).all()


# Who was faster than everybody before, on the version of the problem that is posed. Of what is void, and of a
# sick device's where another has measured it, nothing was ever a record.
RECORDS = text(
    f"""
    SELECT * FROM (
        SELECT b.id, b.user_id, b.seconds, b.created_at,
               min(b.seconds) OVER (ORDER BY b.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                   AS before
        FROM bests b JOIN runs r ON r.id = b.run_id
        JOIN entries e ON {OF_BEST}
        WHERE b.leaderboard_id = :board AND b.gpu = :gpu AND NOT e.void AND {STANDS}
          AND r.problem_digest = :digest
          AND (CAST(:hidden_from AS timestamptz) IS NULL OR {COUNTED_AT} < :hidden_from)
    ) found
    WHERE before IS NULL OR seconds < before
    ORDER BY id DESC LIMIT :limit
    """  # noqa: S608  made of constants
)


async def next_revision(
    connection: AsyncConnection, board_id: int, gpu: str, run_id: int | None = None
) -> int:
    """Hold a board that is about to change: by what came of a run, which a freeze may hide, or by something
    that everybody is shown at once."""
    values = {"board": board_id, "gpu": gpu, "run": run_id}
    return int((await connection.execute(NEXT_REVISION, values)).scalar_one())


async def scores(connection: AsyncConnection, run: Row[Any]) -> tuple[list[Score], bool]:
    """Of all counted runs of this person's same code on the same version of the problem; those in doubt only
    while there is no other. And whether this is the first that is not."""
    values = {
        "board": run.leaderboard_id,
        "gpu": run.gpu,
        "user": run.user_id,
        "code": run.code_digest,
        "problem": run.problem_digest,
    }
    rows = (await connection.execute(SCORES, values)).all()
    sound = [row for row in rows if not row.doubted]
    found = [Score(seconds=row.seconds, error=row.error) for row in sound or rows]
    return found, len(sound) == 1 < len(rows)


async def put_entry(connection: AsyncConnection, run: Row[Any], score: Score) -> None:
    values = {
        "board": run.leaderboard_id,
        "gpu": run.gpu,
        "user": run.user_id,
        "code": run.code_digest,
        "problem": run.problem_digest,
        "run": run.id,
        "submission": run.submission_id,
        "seconds": score.seconds,
        "error": score.error,
        "runs": score.runs,
    }
    await connection.execute(PUT_ENTRY, values)


async def put_standing(
    connection: AsyncConnection, board_id: int, gpu: str, user_id: int
) -> Entry | None:
    """Bring a person's standing in line with their entries; what it is now."""
    values = {"board": board_id, "gpu": gpu, "user": user_id}
    found = (await connection.execute(PUT_STANDING, values)).first()
    if found is None:
        await connection.execute(DROP_STANDING, values)
        return None
    return Entry(**found._mapping)


async def rebuild(connection: AsyncConnection, board_id: int) -> None:
    """Make all standings of a board anew, after its problem has become another version."""
    for statement in (RAISE_ALL, CLEAR, REBUILD):
        await connection.execute(statement, {"board": board_id})


# Everybody who has nothing on a version, with their best on the one before or, who had nothing on that
# either, on the one they were measured on last. Whose best is queued for this version is not queued twice,
# nor with slower code.
TO_MEASURE = text(
    f"""
    SELECT gpu, user_id, submission_id, seconds, language, older, banned FROM (
        SELECT DISTINCT ON (e.gpu, e.user_id) e.gpu, e.user_id, e.submission_id, e.code_digest, e.seconds,
               s.language, e.problem_digest <> :before AS older,
               coalesce(u.banned_until > now(), false) AS banned
        FROM (SELECT e.*, max(run_id) OVER (PARTITION BY gpu, user_id, problem_digest) AS latest
              FROM entries e WHERE leaderboard_id = :board AND NOT void AND {_shown("e")}) e
        JOIN submissions s ON s.id = e.submission_id
        JOIN users u ON u.id = e.user_id
        WHERE NOT EXISTS (SELECT FROM entries there
                          WHERE there.leaderboard_id = :board AND there.gpu = e.gpu
                            AND there.user_id = e.user_id AND there.problem_digest = :digest
                            AND NOT there.void AND {_shown("there")})
        ORDER BY e.gpu, e.user_id, e.problem_digest <> :before, e.latest DESC, e.seconds, e.submitted_at
    ) best
    WHERE NOT EXISTS (SELECT FROM runs r WHERE r.user_id = best.user_id
                      AND r.leaderboard_id = :board AND r.gpu = best.gpu
                      AND r.code_digest = best.code_digest AND r.mode = 'ranked'
                      AND r.status IN ('queued', 'running') AND r.problem_digest = :digest)
    ORDER BY gpu, older, seconds, submission_id
    """  # noqa: S608  made of constants
)
# Of the code of a submission, on one GPU.
IS_MEASURED = text(
    f"""
    SELECT EXISTS (SELECT FROM entries e
                   WHERE e.leaderboard_id = s.leaderboard_id AND e.gpu = :gpu
                     AND e.user_id = s.user_id AND e.code_digest = s.code_digest
                     AND e.problem_digest = {CURRENT})
        OR EXISTS (SELECT FROM runs r
                   WHERE r.user_id = s.user_id AND r.leaderboard_id = s.leaderboard_id
                     AND r.gpu = :gpu AND r.code_digest = s.code_digest AND r.mode = 'ranked'
                     AND r.status IN ('queued', 'running') AND r.problem_digest = {CURRENT})
    FROM submissions s WHERE s.id = :id AND s.leaderboard_id = :board
    """  # noqa: S608  made of constants
)


async def to_measure(
    connection: AsyncConnection,
    board_id: int,
    digest: str,
    before: str,
    frozen_from: datetime | None = None,
) -> Sequence[Row[Any]]:
    """Who has nothing on this version of the problem, each with the submission to measure again, the
    fastest first. ``before``: the digest of the version that the board poses until it poses this one;
    ``frozen_from``: as if nothing had counted since."""
    values = {"board": board_id, "digest": digest, "before": before, "frozen_from": frozen_from}
    return (await connection.execute(TO_MEASURE, values)).all()


async def is_measured(
    connection: AsyncConnection, board_id: int, submission_id: int, gpu: str
) -> bool:
    """Whether this code has a result on the version that the board poses now, or is to be measured on it."""
    values = {"board": board_id, "id": submission_id, "gpu": gpu}
    return bool((await connection.execute(IS_MEASURED, values)).scalar())


async def unmeasured(
    connection: AsyncConnection,
    board_id: int,
    gpu: str,
    digest: str,
    frozen_from: datetime | None = None,
) -> dict[int, str]:
    """Who is to be measured again on this version, with the digest of the one they were measured on last.
    ``frozen_from``: as if nothing had counted since."""
    values = {"board": board_id, "gpu": gpu, "digest": digest, "frozen_from": frozen_from}
    rows = await connection.execute(UNMEASURED, values)
    return {row.user_id: row.problem_digest for row in rows}


async def on_version(
    connection: AsyncConnection, board_id: int, gpu: str, digest: str
) -> list[Entry]:
    """Everybody's best on a version of the problem."""
    values = {"board": board_id, "gpu": gpu, "digest": digest}
    return [Entry(**row._mapping) for row in await connection.execute(ON_VERSION, values)]


ENTRIES_OF = text(
    """
    SELECT s.id, e.gpu, e.void, e.reason, e.decided_at, posed.digest = sent.digest AS current
    FROM submissions s
    JOIN problems sent ON sent.id = s.problem_id
    JOIN leaderboards l ON l.id = s.leaderboard_id
    JOIN problems posed ON posed.id = l.problem_id
    JOIN entries e ON e.user_id = s.user_id AND e.leaderboard_id = s.leaderboard_id
                  AND e.code_digest = s.code_digest AND e.problem_digest = sent.digest
    WHERE s.id = ANY(:ids)
    """
)

# All that a submission's code stands for: on any GPU and any version of the problem.
OF_CODE = """
    FROM submissions s
    WHERE s.id = :id AND e.user_id = s.user_id AND e.leaderboard_id = s.leaderboard_id
      AND e.code_digest = s.code_digest
"""
PLACES_OF_CODE = text(
    f"""
    SELECT DISTINCT leaderboard_id, gpu, user_id FROM entries e WHERE EXISTS (SELECT {OF_CODE})
    ORDER BY leaderboard_id, gpu
    """  # noqa: S608  made of constants
)
SET_VOID = text(
    f"UPDATE entries e SET void = :void, reason = :reason, decided_at = now() {OF_CODE}"  # noqa: S608  made of constants
)
PLACES_OF_PERSON = text(
    """
    SELECT DISTINCT leaderboard_id, gpu, user_id FROM entries
    WHERE user_id = :user ORDER BY leaderboard_id, gpu
    """
)
VOID_PERSON = text(
    """
    UPDATE entries SET void = true, reason = :reason, decided_at = now()
    WHERE user_id = :user AND NOT void
    """
)
VOID_OF_CODE = text(f"SELECT e.void FROM entries e WHERE EXISTS (SELECT {OF_CODE})")  # noqa: S608  made of constants
BEST_WITHOUT = text(
    f"""
    SELECT e.user_id, u.name AS user_name, e.submission_id, e.run_id, e.seconds, e.error, e.runs,
           e.submitted_at
    FROM entries e JOIN users u ON u.id = e.user_id
    WHERE e.leaderboard_id = :board AND e.gpu = :gpu AND e.user_id = :user AND NOT e.void
      AND e.code_digest <> :code AND e.problem_digest = {CURRENT}
    ORDER BY e.seconds, e.submitted_at LIMIT 1
    """  # noqa: S608  made of constants
)
LAST_RUN = text(
    """
    SELECT r.submission_id, r.id FROM entries e JOIN runs r ON r.id = e.run_id
    WHERE e.user_id = :user AND NOT e.void ORDER BY e.run_id DESC LIMIT 1
    """
)
RUN_OF = text(
    """
    SELECT r.id FROM runs r
    WHERE r.submission_id = :id AND r.mode = 'ranked' AND r.verdict = 'passed' AND r.note = ''
    ORDER BY r.id LIMIT 1
    """
)


async def entries_of(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """What submissions' code stands for on the version each was sent for: (id, gpu, void, reason, decided_at,
    current)."""
    return (await connection.execute(ENTRIES_OF, {"ids": list(ids)})).all()


async def places_of_code(connection: AsyncConnection, submission_id: int) -> Sequence[Row[Any]]:
    """Where a submission's code has an entry: (board, gpu, user)."""
    return (await connection.execute(PLACES_OF_CODE, {"id": submission_id})).all()


async def void_of_code(connection: AsyncConnection, submission_id: int) -> list[bool]:
    """Of each entry of a submission's code whether it is void."""
    rows = await connection.execute(VOID_OF_CODE, {"id": submission_id})
    return [row.void for row in rows]


async def best_without(
    connection: AsyncConnection, board_id: int, gpu: str, user_id: int, code: bytes
) -> list[Entry]:
    """A person's best other code that counts on the version that is posed, or nothing."""
    values = {"board": board_id, "gpu": gpu, "user": user_id, "code": code}
    rows = await connection.execute(BEST_WITHOUT, values)
    return [Entry(**row._mapping) for row in rows]


async def set_void(
    connection: AsyncConnection, submission_id: int, void: bool, reason: str
) -> None:
    """Void or restore what a submission's code stands for."""
    await connection.execute(SET_VOID, {"id": submission_id, "void": void, "reason": reason})


async def run_of(connection: AsyncConnection, submission_id: int) -> int | None:
    """The first run of a submission that counted."""
    found: int | None = (await connection.execute(RUN_OF, {"id": submission_id})).scalar()
    return found


async def places_of_person(connection: AsyncConnection, user_id: int) -> Sequence[Row[Any]]:
    """Where a person has an entry: (board, gpu, user)."""
    return (await connection.execute(PLACES_OF_PERSON, {"user": user_id})).all()


async def last_run(connection: AsyncConnection, user_id: int) -> Row[Any] | None:
    """The last of a person's codes that is not void: (submission_id, id) of its first run."""
    return (await connection.execute(LAST_RUN, {"user": user_id})).first()


async def void_person(connection: AsyncConnection, user_id: int, reason: str) -> None:
    """Void everything of a person."""
    await connection.execute(VOID_PERSON, {"user": user_id, "reason": reason})


async def entries(
    connection: AsyncConnection, board_id: int, gpu: str, limit: int | None = None
) -> list[Entry]:
    """In order of time; all of them, or the first few."""
    values: dict[str, Any] = {"board": board_id, "gpu": gpu}
    if limit is None:
        rows = await connection.execute(ALL, values)
    else:
        rows = await connection.execute(FIRST, {**values, "limit": limit})
    return [Entry(**row._mapping) for row in rows]


async def own_best(connection: AsyncConnection, run_id: int) -> Row[Any] | None:
    """What the owner of a run has that it is to be held against."""
    return (await connection.execute(OWN_BEST, {"run": run_id})).first()


async def own_entries(
    connection: AsyncConnection, board_ids: Iterable[int], user_id: int
) -> dict[tuple[int, str], Entry]:
    """What one person has on these boards, by board and GPU."""
    values = {"boards": sorted(set(board_ids)), "user": user_id}
    rows = (await connection.execute(OWN_ENTRIES, values)).mappings()
    return {(row["leaderboard_id"], row["gpu"]): _entry(row) for row in rows}


async def board_before(
    connection: AsyncConnection, board_id: int, gpu: str, digest: str, before: datetime
) -> list[tuple[bytes, Entry]]:
    """What a board consisted of at some moment on a version of its problem, less what is void today:
    codes or single runs of one, each with the digest of its code."""
    values = {"board": board_id, "gpu": gpu, "digest": digest, "before": before}
    rows = (await connection.execute(BOARD_BEFORE, values)).mappings()
    return [(bytes(row["code_digest"]), _entry(row)) for row in rows]


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(**{item.name: row[item.name] for item in fields(Entry) if item.name in row})


async def revisions(database: Database, *names: str) -> list[Revision]:
    """The boards' GPUs with the revision of each, of each board in the order the organizer named them."""
    found = await database.ask(REVISION, [name.lower() for name in names])
    return [Revision(**record) for record in found]


async def revision(connection: AsyncConnection, board_id: int, gpu: str) -> Row[Any]:
    """Of one board on one GPU, whoever may see it."""
    values = {"board": board_id, "gpu": gpu}
    return (await connection.execute(REVISION_OF, values)).one()


async def revisions_of(connection: AsyncConnection, board_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Of these boards on every GPU that they have or had, whoever may see them."""
    return (await connection.execute(REVISIONS_OF, {"boards": list(board_ids)})).all()


async def add_best(connection: AsyncConnection, run: Row[Any], score: Score) -> None:
    await connection.execute(
        insert(bests).values(
            leaderboard_id=run.leaderboard_id,
            gpu=run.gpu,
            user_id=run.user_id,
            run_id=run.id,
            submission_id=run.submission_id,
            seconds=score.seconds,
            error=score.error,
        )
    )


async def bests_of(
    connection: AsyncConnection,
    board_id: int,
    gpu: str,
    *,
    user_id: int | None,
    user_name: str | None,
    before: int,
    limit: int,
    hidden_from: datetime | None = None,
    reader: int | None = None,
) -> Sequence[Row[Any]]:
    """Of others only those that counted before ``hidden_from``."""
    values = {
        "board": board_id,
        "gpu": gpu,
        "user": user_id,
        "user_name": user_name,
        "before": before,
        "limit": limit,
        "hidden_from": hidden_from,
        "reader": reader,
    }
    return (await connection.execute(BESTS, values)).all()


async def records(
    connection: AsyncConnection,
    board_id: int,
    gpu: str,
    digest: str,
    *,
    hidden_from: datetime | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """The last that were faster than all before them, the newest first, and nothing that counted from
    ``hidden_from`` on."""
    values = {
        "board": board_id,
        "gpu": gpu,
        "digest": digest,
        "hidden_from": hidden_from,
        "limit": limit,
    }
    return (await connection.execute(RECORDS, values)).all()


async def own(connection: AsyncConnection, board_id: int, gpu: str, user_id: int) -> Any:
    """A person's standing as (seconds, error), or None."""
    query = select(standings.c.seconds, standings.c.error).where(
        standings.c.leaderboard_id == board_id,
        standings.c.gpu == gpu,
        standings.c.user_id == user_id,
    )
    return (await connection.execute(query)).first()
