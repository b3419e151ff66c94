"""What single people asked to hear of, put into the outbox: that somebody passed them, that time runs out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.ranking import TIE_Z
from kernelbot.storage import changes

# Those between a person's time before and now who can be told apart from it; each once an hour at most,
# however many pass them. A freeze hides that anybody did.
OVERTAKEN = text(
    """
    INSERT INTO outbox (key, topic, payload)
    SELECT 'overtaken:' || l.id || ':' || st.gpu || ':' || st.user_id || ':'
               || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24'),
           'overtaken',
           jsonb_build_object('leaderboard', l.name, 'gpu', st.gpu, 'user_id', st.user_id)
    FROM preferences p
    JOIN standings st ON st.user_id = p.user_id
    JOIN leaderboards l ON l.id = st.leaderboard_id
    WHERE p.overtaken AND st.leaderboard_id = :board AND st.gpu = :gpu AND st.user_id <> :user
      AND st.seconds > :seconds
      AND ln(st.seconds / :seconds) >= :z * sqrt(power(st.error, 2) + power(:error, 2))
      AND (CAST(:before AS float8) IS NULL OR st.seconds < CAST(:before AS float8))
      AND NOT coalesce(l.frozen_from <= now() AND now() < l.frozen_until, false)
    ON CONFLICT (key) DO NOTHING
    RETURNING id
    """
)
# Of whoever has sent something to a leaderboard that closes soon, or joined its competition.
DEADLINES = text(
    """
    INSERT INTO outbox (key, topic, payload)
    SELECT 'deadline:' || l.id || ':' || extract(epoch FROM l.closes_at)::bigint || ':'
               || CASE WHEN l.closes_at <= now() + interval '1 hour' THEN 1 ELSE 24 END || ':'
               || p.user_id,
           'deadline',
           jsonb_build_object('leaderboard', l.name, 'user_id', p.user_id,
                              'closes_at', extract(epoch FROM l.closes_at)::bigint)
    FROM leaderboards l
    JOIN preferences p ON p.deadlines
    WHERE NOT l.retired AND l.closes_at > now() AND l.closes_at <= now() + interval '24 hours'
      AND (l.opens_at IS NULL OR l.opens_at <= now())
      AND (EXISTS (SELECT FROM submissions s WHERE s.user_id = p.user_id AND s.leaderboard_id = l.id)
           OR EXISTS (SELECT FROM members m
                      WHERE m.user_id = p.user_id AND m.competition_id = l.competition_id))
    ON CONFLICT (key) DO NOTHING
    RETURNING id
    """
)

SUBJECT = text(
    "SELECT subject FROM identities WHERE user_id = :user AND provider = :provider LIMIT 1"
)


async def overtaken(connection: AsyncConnection, run: Row[Any], now: Any, before: Any) -> None:
    """Tell who wants it that the owner of this run is in front of them: with ``now``, and not yet with
    ``before``, which is None for somebody new."""
    values = {
        "board": run.leaderboard_id,
        "gpu": run.gpu,
        "user": run.user_id,
        "seconds": now.seconds,
        "error": now.error,
        "before": None if before is None else before.seconds,
        "z": TIE_Z,
    }
    if (await connection.execute(OVERTAKEN, values)).all():
        await changes.notify(connection, changes.OUTBOX, "overtaken")


async def deadlines(connection: AsyncConnection) -> int:
    """Put in what is due of leaderboards that close within a day, and again within an hour."""
    found = (await connection.execute(DEADLINES)).all()
    if found:
        await changes.notify(connection, changes.OUTBOX, "deadline")
    return len(found)


async def subject(connection: AsyncConnection, user_id: int, provider: str) -> str | None:
    """A person as a provider knows them."""
    return (await connection.execute(SUBJECT, {"user": user_id, "provider": provider})).scalar()
