"""GPU time of runs that ended: whose, where, on what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

NAMES = {"competition": "c.name", "person": "u.name || ' (' || u.id || ')'", "target": "r.gpu"}
"""What it may be told by."""
SPENT = {
    by: text(
        f"""
        SELECT {name} AS name, r.gpu, count(*) AS runs,
               sum(greatest(0, extract(epoch FROM r.finished_at - r.judged_at))) AS seconds
        FROM runs r
        JOIN leaderboards l ON l.id = r.leaderboard_id
        JOIN competitions c ON c.id = l.competition_id
        JOIN users u ON u.id = r.user_id
        WHERE r.finished_at >= :since AND r.finished_at < :until AND r.judged_at IS NOT NULL
        GROUP BY 1, 2 ORDER BY 4 DESC LIMIT :limit
        """  # noqa: S608  made of constants
    )
    for by, name in NAMES.items()
}
LATELY = text(
    """
    SELECT gpu, sum(greatest(0, extract(epoch FROM finished_at - judged_at))) AS seconds
    FROM runs WHERE finished_at > now() - interval '1 hour' AND judged_at IS NOT NULL GROUP BY 1
    """
)


async def spent(
    connection: AsyncConnection, by: str, since: datetime, until: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Time with a judge of the last attempt of every run that ended then, the most first: (name, gpu, runs, seconds)."""
    return (
        await connection.execute(SPENT[by], {"since": since, "until": until, "limit": limit})
    ).all()


async def lately(connection: AsyncConnection) -> dict[str, float]:
    """Of the last hour, by GPU kind."""
    return {row.gpu: float(row.seconds) for row in await connection.execute(LATELY)}
