"""Problems, competitions and leaderboards as the database knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    DateTime,
    Row,
    and_,
    case,
    distinct,
    func,
    insert,
    literal,
    not_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.competition import Competition, LeaderboardSpec
from kernelbot.domain.problem import Problem
from kernelbot.storage.tables import (
    competitions,
    entries,
    leaderboards,
    problem_files,
    problems,
    standings,
    submissions,
)

FROM_BOARDS = """
    SELECT l.id, l.name, l.problem_id, l.opens_at, l.closes_at, l.ranked_per_hour,
           l.other_per_hour, l.frozen_from, l.frozen_until, now() AS at, l.code_opens_at,
           c.id AS competition_id, c.name AS competition, c.visibility, c.public_from, c.channel,
           p.name AS problem, p.digest AS problem_digest, p.content_digest,
           p.document->>'title' AS title, p.document->>'summary' AS summary,
           p.document->>'scoring' AS scoring, p.document->'languages' AS languages,
           coalesce(p.document->'task'->>'style' = 'evaluator', false) AS self_evaluated, g.gpus,
           (SELECT count(*) FROM submissions s WHERE s.leaderboard_id = l.id
               AND s.repeats IS NOT NULL AND s.channel <> 'rejudge'
               AND s.status IN ('queued', 'running')) AS measured_again
    FROM leaderboards l
    JOIN competitions c ON c.id = l.competition_id
    JOIN problems p ON p.id = l.problem_id
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(gpu ORDER BY place), '{}') AS gpus
        FROM leaderboard_gpus WHERE leaderboard_id = l.id AND offered
    ) g
    WHERE NOT l.retired
"""
# Those too that are hidden now: their results and what was promised about them come back with them.
EVERY_BOARD = text("""
    SELECT l.id, l.name, l.retired, l.code_opens_at, c.name AS competition, c.source,
           c.document->>'licence' AS licence, p.name AS problem, p.digest AS problem_digest,
           p.content_digest
    FROM leaderboards l
    JOIN competitions c ON c.id = l.competition_id
    JOIN problems p ON p.id = l.problem_id
    ORDER BY l.id
""")
BOARDS = text(FROM_BOARDS + " ORDER BY c.id, l.id")
BOARD_NAMED = text(FROM_BOARDS + " AND lower(l.name) = lower(:name)")


SELF_EVALUATED = text("""
    SELECT coalesce(p.document->'task'->>'style' = 'evaluator', false)
    FROM leaderboards l JOIN problems p ON p.id = l.problem_id WHERE l.id = :id
""")


async def self_evaluated(connection: AsyncConnection, leaderboard_id: int) -> bool:
    """Whether the times on a board are what its problem's own program said."""
    return bool((await connection.execute(SELF_EVALUATED, {"id": leaderboard_id})).scalar())


async def put_problem(connection: AsyncConnection, problem: Problem) -> int:
    """The id of this version of the problem, stored if it is new."""
    row = (
        await connection.execute(
            upsert(problems)
            .values(
                name=problem.name,
                digest=problem.digest,
                content_digest=problem.content_digest,
                document=problem.to_document(),
            )
            .on_conflict_do_nothing(index_elements=["name", "content_digest"])
            .returning(problems.c.id)
        )
    ).first()
    if row is None:
        query = select(problems.c.id).where(
            problems.c.name == problem.name, problems.c.content_digest == problem.content_digest
        )
        return int((await connection.execute(query)).scalar_one())
    await connection.execute(
        insert(problem_files),
        [
            {"problem_id": row.id, "path": path, "content": content}
            for path, content in problem.files.items()
        ],
    )
    return int(row.id)


async def problem(connection: AsyncConnection, problem_id: int) -> Problem:
    """A version of a problem with all its files."""
    document = await connection.execute(
        select(problems.c.document).where(problems.c.id == problem_id)
    )
    files = await connection.execute(
        select(problem_files.c.path, problem_files.c.content).where(
            problem_files.c.problem_id == problem_id
        )
    )
    return Problem.from_document(
        document.scalar_one(), {path: bytes(content) for path, content in files}
    )


async def put_competition(
    connection: AsyncConnection, competition: Competition, source: str, pinned: str
) -> int:
    values = {
        "document": competition.to_document(),
        "visibility": competition.visibility.value,
        "public_from": competition.public_from,
        "channel": competition.channel or "",
        "source": source,
        "pinned": pinned,
    }
    query = (
        upsert(competitions)
        .values(name=competition.name, **values)
        .on_conflict_do_update(index_elements=["name"], set_={**values, "updated_at": func.now()})
        .returning(competitions.c.id)
    )
    return int((await connection.execute(query)).scalar_one())


async def put_leaderboard(
    connection: AsyncConnection,
    competition_id: int,
    competition: Competition,
    spec: LeaderboardSpec,
    problem_id: int,
) -> int:
    """Create or change a leaderboard; its id. GPUs that are no longer named keep their standings."""
    values = {
        "name": spec.name,
        "competition_id": competition_id,
        "problem_id": problem_id,
        "opens_at": spec.opens,
        "closes_at": spec.closes,
        "frozen_from": spec.freeze.begins if spec.freeze else None,
        "frozen_until": spec.freeze.ends if spec.freeze else None,
        "code_opens_at": spec.code_opens,
        "ranked_per_hour": competition.ranked_per_hour,
        "other_per_hour": competition.other_per_hour,
        "retired": False,
    }
    # A freeze that is taken out while it holds, or when it is over, has ended: that is still to be told.
    begun = leaderboards.c.frozen_from <= func.now()
    ended = {
        "frozen_from": case((begun, leaderboards.c.frozen_from)),
        "frozen_until": case((begun, func.least(leaderboards.c.frozen_until, func.now()))),
    }
    # One that is over when it is said first has hidden nothing, so nothing is announced: unless one that
    # was there before has begun and its end was not announced, which it ends.
    until = literal(values["frozen_until"], DateTime(timezone=True))
    over = until <= func.now()
    owed = and_(begun, leaderboards.c.revealed.is_distinct_from(leaderboards.c.frozen_until))
    told = {
        "revealed": case(
            (and_(over, not_(func.coalesce(owed, False))), until), else_=leaderboards.c.revealed
        )
    }
    query = (
        upsert(leaderboards)
        .values(**values, revealed=case((over, until)))
        .on_conflict_do_update(
            index_elements=[func.lower(leaderboards.c.name)],
            set_={**values, **(told if spec.freeze else ended)},
        )
        .returning(leaderboards.c.id)
    )
    board_id = int((await connection.execute(query)).scalar_one())
    for statement in (WITHDRAW_GPUS, OFFER_GPUS):
        await connection.execute(statement, {"board": board_id, "gpus": list(spec.gpus)})
    return board_id


WITHDRAW_GPUS = text("""
    UPDATE leaderboard_gpus SET offered = false
    WHERE leaderboard_id = :board AND offered AND gpu <> ALL(:gpus)
""")
OFFER_GPUS = text("""
    INSERT INTO leaderboard_gpus AS g (leaderboard_id, gpu, place)
    SELECT :board, gpu, nth - 1
    FROM unnest(CAST(:gpus AS text[])) WITH ORDINALITY AS named(gpu, nth)
    ON CONFLICT (leaderboard_id, gpu) DO UPDATE SET place = excluded.place, offered = true
    WHERE NOT g.offered OR g.place <> excluded.place
""")

# In one order, and after whoever records on one of them has done so.
REVEAL = text("""
    UPDATE leaderboards l SET revealed = l.frozen_until
    FROM (SELECT id FROM leaderboards
          WHERE frozen_until <= now() AND revealed IS DISTINCT FROM frozen_until AND NOT retired
          ORDER BY id FOR NO KEY UPDATE) ended
    WHERE l.id = ended.id AND l.revealed IS DISTINCT FROM l.frozen_until
    RETURNING l.id, l.frozen_until
""")


async def reveal(connection: AsyncConnection) -> list[tuple[int, datetime]]:
    """The leaderboards whose freeze has ended and for whom nobody has been given it before, each with
    the end. They are held."""
    rows = (await connection.execute(REVEAL)).all()
    return sorted((int(row.id), row.frozen_until) for row in rows)


LOCK_BOARDS = text("SELECT id FROM leaderboards WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
LOCK_GPUS = text("""
    SELECT gpu FROM leaderboard_gpus WHERE leaderboard_id = ANY(:ids)
    ORDER BY leaderboard_id, gpu FOR NO KEY UPDATE
""")


async def lock_boards(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Hold these leaderboards, then their GPUs, in the order of whoever records on them or voids."""
    for statement in (LOCK_BOARDS, LOCK_GPUS):
        await connection.execute(statement, {"ids": list(ids)})


# What an organizer takes out of their files: of these competitions, and of all that came from there.
RETIRE = text(
    """
    UPDATE leaderboards l SET retired = true
    FROM competitions c
    WHERE c.id = l.competition_id AND NOT l.retired AND l.id <> ALL(:kept)
      AND (c.name = ANY(:names) OR c.source = CAST(:source AS text))
    """
)


async def retire_missing(
    connection: AsyncConnection, kept: Sequence[int], names: Sequence[str], source: str | None
) -> None:
    """Hide the leaderboards that no file names any more: of the competitions with these names, and
    of all from one source (None: whose other competitions are not looked at)."""
    values = {"kept": list(kept), "names": list(names), "source": source}
    await connection.execute(RETIRE, values)


async def lock_catalog(connection: AsyncConnection) -> None:
    """One process at a time brings the catalog up to date."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('catalog', 13))"))


async def clock(connection: AsyncConnection) -> datetime:
    """The time by which freezes begin and end: the beginning of the transaction, for everybody."""
    at: datetime = (await connection.execute(select(func.now()))).scalar_one()
    return at


async def boards(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(BOARDS)).all()


async def every_board(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(EVERY_BOARD)).all()


async def board_named(connection: AsyncConnection, name: str) -> Row[Any] | None:
    """One of ``boards``, its name compared without case."""
    return (await connection.execute(BOARD_NAMED, {"name": name})).first()


# Those that have a leaderboard: what is in no file any more is no competition either.
COMPETITIONS = """
    SELECT c.id AS competition_id, c.name, c.document, c.visibility, c.public_from, c.source,
           c.pinned
    FROM competitions c
    WHERE EXISTS (SELECT FROM leaderboards l WHERE l.competition_id = c.id AND NOT l.retired)
"""
EVERY_COMPETITION = text("SELECT name, document, source, pinned FROM competitions")
ALL_COMPETITIONS = text(COMPETITIONS + " ORDER BY c.id")
COMPETITION_NAMED = text(COMPETITIONS + " AND lower(c.name) = lower(:name)")


async def all_competitions(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(ALL_COMPETITIONS)).all()


async def every_competition(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Those too of which no leaderboard is shown."""
    return (await connection.execute(EVERY_COMPETITION)).all()


async def competition_named(connection: AsyncConnection, name: str) -> Row[Any] | None:
    return (await connection.execute(COMPETITION_NAMED, {"name": name})).first()


async def submitted_to(connection: AsyncConnection) -> Sequence[int]:
    """The leaderboards that anything was ever sent to."""
    query = select(leaderboards.c.id).where(
        select(submissions.c.id).where(submissions.c.leaderboard_id == leaderboards.c.id).exists()
    )
    return (await connection.execute(query)).scalars().all()


async def people_on_boards(
    connection: AsyncConnection, board_id: int | None = None
) -> Mapping[int, int]:
    """How many people have a standing, by leaderboard: on each, or on one (its own index entries)."""
    query = select(standings.c.leaderboard_id, func.count(distinct(standings.c.user_id)))
    if board_id is not None:
        query = query.where(standings.c.leaderboard_id == board_id)
    rows = await connection.execute(query.group_by(standings.c.leaderboard_id))
    return {row[0]: row[1] for row in rows}


async def people_measured(connection: AsyncConnection) -> Mapping[int, int]:
    """How many people have a result that is not void on any version of its problem, by leaderboard."""
    count = func.count(distinct(entries.c.user_id))
    query = select(entries.c.leaderboard_id, count).where(~entries.c.void)
    rows = await connection.execute(query.group_by(entries.c.leaderboard_id))
    return {row[0]: row[1] for row in rows}


async def version_of(connection: AsyncConnection, leaderboard_id: int, digest: str) -> int:
    """The latest version of a board's problem with this digest."""
    posed = problems.alias()
    query = (
        select(func.max(problems.c.id))
        .join(posed, posed.c.name == problems.c.name)
        .join(leaderboards, leaderboards.c.problem_id == posed.c.id)
        .where(leaderboards.c.id == leaderboard_id, problems.c.digest == digest)
    )
    return int((await connection.execute(query)).scalar_one())


async def _digest(connection: AsyncConnection, problem_id: int) -> Any:
    query = select(problems.c.digest).where(problems.c.id == problem_id)
    return (await connection.execute(query)).scalar_one()


POSED = text("""
    SELECT l.problem_id, l.retired, p.document->'languages' AS languages,
           ARRAY(SELECT gpu FROM leaderboard_gpus WHERE leaderboard_id = l.id AND offered) AS gpus
    FROM leaderboards l JOIN problems p ON p.id = l.problem_id WHERE l.id = :id
""")


async def posed(connection: AsyncConnection, leaderboard_id: int) -> Row[Any]:
    """What a board poses now: (problem_id, retired, languages, gpus)."""
    return (await connection.execute(POSED, {"id": leaderboard_id})).one()


async def is_current(connection: AsyncConnection, leaderboard_id: int, problem_id: int) -> bool:
    """Whether results on this version of the problem compare with those on the board's; the board
    keeps its version until the end of the transaction."""
    held = (
        select(leaderboards.c.problem_id)
        .where(leaderboards.c.id == leaderboard_id)
        .with_for_update(read=True)
    )
    posed = (await connection.execute(held)).scalar_one()
    if posed == problem_id:
        return True
    return bool(await _digest(connection, posed) == await _digest(connection, problem_id))


async def board_of(connection: AsyncConnection, leaderboard_id: int) -> Any:
    """What an announcement needs to know of a leaderboard, retired or not."""
    query = (
        select(
            leaderboards.c.name,
            leaderboards.c.frozen_from,
            leaderboards.c.frozen_until,
            leaderboards.c.revealed,
            func.now().label("at"),
            problems.c.document["title"].astext.label("title"),
            competitions.c.channel,
            competitions.c.id.label("competition_id"),
            competitions.c.visibility,
            competitions.c.public_from,
        )
        .join(problems, problems.c.id == leaderboards.c.problem_id)
        .join(competitions, competitions.c.id == leaderboards.c.competition_id)
        .where(leaderboards.c.id == leaderboard_id)
    )
    return (await connection.execute(query)).one()


EVERY_POSED = text("""
    SELECT l.problem_id, p.name AS problem, p.digest, c.name AS competition, l.retired
    FROM leaderboards l
    JOIN competitions c ON c.id = l.competition_id
    JOIN problems p ON p.id = l.problem_id
    ORDER BY l.id
""")
STATES = text("""
    SELECT l.name, c.name AS competition, l.retired, l.opens_at, l.closes_at, l.frozen_from, l.frozen_until,
           now() AS at, (SELECT count(DISTINCT user_id) FROM standings WHERE leaderboard_id = l.id) AS people,
           again.measured, again.rejudged
    FROM leaderboards l
    JOIN competitions c ON c.id = l.competition_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE s.channel <> 'rejudge') AS measured,
               count(*) FILTER (WHERE s.channel = 'rejudge') AS rejudged
        FROM submissions s
        WHERE s.leaderboard_id = l.id AND s.repeats IS NOT NULL AND s.status IN ('queued', 'running')
    ) again
    ORDER BY l.id
""")


async def every_posed(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The version of its problem that each leaderboard poses, shown or hidden, without its files."""
    return (await connection.execute(EVERY_POSED)).all()


async def states(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Where each leaderboard stands, shown or hidden, and what of it is judged once more."""
    return (await connection.execute(STATES)).all()
