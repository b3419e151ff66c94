"""Places on podiums that a machine nobody vouches for has measured, and the runs that are to confirm them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.scoring import Score
from kernelbot.storage.tables import confirmations

OPEN = "c.state IN ('waiting', 'differs', 'failed')"
"""Neither confirmed nor gone."""

UNVOUCHED = text(
    "SELECT EXISTS (SELECT FROM runs r JOIN runners m ON m.id = r.runner_id "
    "WHERE r.id = :run AND NOT m.trusted)"
)
VOUCHED_FOR = text(
    """
    SELECT o.seconds, o.error
    FROM runs r
    JOIN runs o ON o.leaderboard_id = r.leaderboard_id AND o.gpu = r.gpu AND o.user_id = r.user_id
               AND o.code_digest = r.code_digest AND o.problem_digest = r.problem_digest
               AND o.mode = 'ranked' AND o.verdict = 'passed' AND o.note = '' AND NOT o.doubted
               AND o.id <> r.id
    LEFT JOIN runners m ON m.id = o.runner_id
    WHERE r.id = :run AND coalesce(m.trusted, true) ORDER BY o.id
    """
)
UNDER_WAY = text(
    """
    SELECT EXISTS (SELECT FROM confirmations c JOIN runs r ON r.id = :run
                   WHERE c.leaderboard_id = r.leaderboard_id AND c.gpu = r.gpu AND c.user_id = r.user_id
                     AND c.code_digest = r.code_digest AND c.state IN ('waiting', 'differs'))
    """
)
SETTLE = text(
    f"""
    UPDATE confirmations c SET state = :state, decided_at = now()
    WHERE run_id = :run AND {OPEN} AND state <> :state RETURNING *
    """  # noqa: S608  made of constants
)
OF_CODE = f"""
    c.leaderboard_id = r.leaderboard_id AND c.gpu = r.gpu AND c.user_id = r.user_id
    AND c.code_digest = r.code_digest AND {OPEN}
"""
ASKED = text(
    f"SELECT EXISTS (SELECT FROM confirmations c JOIN runs r ON r.id = :run WHERE {OF_CODE})"  # noqa: S608  made of constants
)
SETTLE_ALL = text(
    f"""
    UPDATE confirmations c SET state = 'confirmed', decided_at = now()
    FROM runs r WHERE r.id = :run AND {OF_CODE} RETURNING c.*
    """  # noqa: S608  made of constants
)
# Whether what was confirmed is still what its owner has on the board.
STANDS = text(
    """
    SELECT EXISTS (SELECT FROM standings s JOIN confirmations c ON c.run_id = :run
                   WHERE s.leaderboard_id = c.leaderboard_id AND s.gpu = c.gpu AND s.user_id = c.user_id
                     AND s.code_digest = c.code_digest)
    """
)
UNSETTLED = text(
    f"""
    SELECT gpu, state, count(*) AS places, extract(epoch FROM now() - min(created_at)) AS oldest
    FROM confirmations c WHERE {OPEN} GROUP BY 1, 2
    """  # noqa: S608  made of constants
)


async def unvouched(connection: AsyncConnection, run_id: int) -> bool:
    """Whether a machine judged it that nobody vouches for."""
    return bool((await connection.execute(UNVOUCHED, {"run": run_id})).scalar_one())


async def vouched_for(connection: AsyncConnection, run_id: int) -> list[Score]:
    """The other runs of a run's code that count and were judged where somebody vouches for it."""
    rows = await connection.execute(VOUCHED_FOR, {"run": run_id})
    return [Score(seconds=row.seconds, error=row.error) for row in rows]


async def under_way(connection: AsyncConnection, run_id: int) -> bool:
    """Whether a run's code waits already to be confirmed there, or for an organizer's word about it."""
    return bool((await connection.execute(UNDER_WAY, {"run": run_id})).scalar_one())


async def add(
    connection: AsyncConnection, run_id: int, of: Row[Any], announcement: Mapping[str, Any]
) -> None:
    """The run of this id is to confirm the run ``of``; what is announced once it has."""
    await connection.execute(
        insert(confirmations).values(
            run_id=run_id,
            leaderboard_id=of.leaderboard_id,
            gpu=of.gpu,
            user_id=of.user_id,
            code_digest=of.code_digest,
            announcement=dict(announcement),
        )
    )


async def settle(connection: AsyncConnection, run_id: int, state: str) -> Row[Any] | None:
    """What has come of it; None where it confirms nothing, or said so before."""
    return (await connection.execute(SETTLE, {"run": run_id, "state": state})).first()


async def asked(connection: AsyncConnection, run_id: int) -> bool:
    """Whether a run's code is not confirmed there, by whatever run."""
    return bool((await connection.execute(ASKED, {"run": run_id})).scalar_one())


async def settle_all(connection: AsyncConnection, run_id: int) -> Sequence[Row[Any]]:
    """This run has confirmed its code; what was to be announced, the latest last."""
    rows = (await connection.execute(SETTLE_ALL, {"run": run_id})).all()
    return sorted(rows, key=lambda row: row.run_id)


async def stands(connection: AsyncConnection, run_id: int) -> bool:
    return bool((await connection.execute(STANDS, {"run": run_id})).scalar_one())


async def unsettled(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """How many are not confirmed: (gpu, state, places, oldest)."""
    return (await connection.execute(UNSETTLED)).all()
