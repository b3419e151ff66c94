"""What the world has to be told: claimed by one, acknowledged once told, told again if nobody did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage import changes
from kernelbot.storage.tables import outbox, receipts

CLAIM = text(
    """
    WITH waiting AS (
        SELECT id, attempts, due_at, payload->>'guild_id' AS guild_id,
            CASE WHEN topic IN ('podium', 'reveal') THEN payload->>'leaderboard'
                 WHEN topic = 'notice' THEN topic
                 WHEN topic = 'post' THEN concat_ws(' ', payload->>'guild_id', payload->>'competition_id',
                                                    payload->>'thing')
            END AS place
        FROM outbox WHERE delivered_at IS NULL AND topic = ANY(:topics)
    ), free AS (
        SELECT id, row_number() OVER (PARTITION BY coalesce(guild_id, 'none ' || id) ORDER BY id) AS turn
        FROM waiting w
        WHERE due_at <= now() AND (guild_id IS NULL OR guild_id <> ALL(:busy))
          AND NOT EXISTS (
              SELECT FROM waiting e WHERE e.place = w.place AND e.id < w.id AND e.attempts < :in_order
          )
    )
    UPDATE outbox o SET attempts = attempts + 1, due_at = now() + make_interval(secs => :hold)
    FROM (
        SELECT id FROM outbox
        WHERE delivered_at IS NULL AND due_at <= now() AND id IN (SELECT id FROM free WHERE turn = 1)
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    ) picked
    WHERE o.id = picked.id
    RETURNING o.*
    """
)


async def add(
    connection: AsyncConnection, key: str, topic: str, payload: Mapping[str, Any]
) -> bool:
    """Once per key, however often this is called; whether it is new."""
    added = await connection.execute(
        upsert(outbox)
        .values(key=key, topic=topic, payload=dict(payload))
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(outbox.c.id)
    )
    await changes.notify(connection, changes.OUTBOX, topic)
    return added.first() is not None


async def claim(
    connection: AsyncConnection, topics: Sequence[str], limit: int, hold_s: float,
    *, busy: Collection[int], in_order: int,
) -> list[Row[Any]]:  # fmt: skip
    """Of what is for one server at most one, and none for those that are ``busy``. What was tried less than
    ``in_order`` times holds back what is for the same place and came later."""
    values = {
        "topics": list(topics), "limit": limit, "hold": hold_s,
        "busy": [str(guild_id) for guild_id in busy], "in_order": in_order,
    }  # fmt: skip
    rows = (await connection.execute(CLAIM, values)).all()
    return sorted(rows, key=lambda row: row.id)


async def delivered(connection: AsyncConnection, outbox_id: int, receipt: str) -> None:
    """From now on nobody asks in which servers it stands already."""
    await connection.execute(delete(receipts).where(receipts.c.outbox_id == outbox_id))
    await connection.execute(
        text(
            "UPDATE outbox SET delivered_at = now(), receipt = :receipt, trouble = '' "
            "WHERE id = :id AND delivered_at IS NULL"
        ),
        {"id": outbox_id, "receipt": receipt},
    )


async def failed(connection: AsyncConnection, outbox_id: int, trouble: str, retry_s: float) -> None:
    await connection.execute(
        text(
            "UPDATE outbox SET trouble = :trouble, due_at = now() + make_interval(secs => :retry) "
            "WHERE id = :id AND delivered_at IS NULL"
        ),
        {"id": outbox_id, "trouble": trouble[:500], "retry": retry_s},
    )


UNKNOWN = 0
"""The id of a message of which is only known that it may have been sent."""


async def began(connection: AsyncConnection, outbox_id: int, guild_id: int) -> datetime | None:
    """It is sent to this server now; when that first began, if it is not the first time."""
    values = {"outbox_id": outbox_id, "guild_id": guild_id, "message_id": UNKNOWN}
    added = upsert(receipts).values(**values).on_conflict_do_nothing()
    if (await connection.execute(added.returning(receipts.c.outbox_id))).first() is not None:
        return None
    query = select(receipts.c.created_at).where(_in_server(outbox_id, guild_id))
    first: datetime = (await connection.execute(query)).scalar_one()
    return first


async def posted(
    connection: AsyncConnection, outbox_id: int, guild_id: int, message_id: int
) -> None:
    """It stands in this server; the first message is the one."""
    unknown = _in_server(outbox_id, guild_id) & (receipts.c.message_id == UNKNOWN)
    await connection.execute(update(receipts).where(unknown).values(message_id=message_id))


def _in_server(outbox_id: int, guild_id: int) -> ColumnElement[bool]:
    return (receipts.c.outbox_id == outbox_id) & (receipts.c.guild_id == guild_id)


async def receipts_of(connection: AsyncConnection, outbox_id: int) -> Sequence[Row[Any]]:
    """Of the servers in which it stands."""
    stands = (receipts.c.outbox_id == outbox_id) & (receipts.c.message_id != UNKNOWN)
    query = select(receipts).where(stands).order_by(receipts.c.guild_id)
    return (await connection.execute(query)).all()


WAITING = text(
    """
    SELECT topic, count(*) AS waiting, extract(epoch FROM now() - min(created_at)) AS oldest
    FROM outbox WHERE delivered_at IS NULL GROUP BY topic
    """
)


async def waiting(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """How many announcements of each topic nobody has delivered, and how old the oldest is."""
    return (await connection.execute(WAITING)).all()
