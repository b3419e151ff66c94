"""What servers show of competitions, and who sees to it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage import changes
from kernelbot.storage.tables import desk_things

# Which competitions a server with a category could show, and those that it has shown.
FROM_DESKS = """
    SELECT g.guild_id, g.competitions_category AS category_id, g.changed_at AS settings_at,
           c.id AS competition_id, c.name, c.document, c.visibility, c.public_from,
           d.held_until > now() AS held, coalesce(d.due_at, now()) <= now() AS due,
           d.compared_at, d.settings_at AS followed, d.failures, coalesce(d.trouble, '') AS trouble,
           d.competition_id IS NOT NULL AS begun, now() AS at
    FROM guilds g
    CROSS JOIN competitions c
    LEFT JOIN desks d ON d.guild_id = g.guild_id AND d.competition_id = c.id
    WHERE g.guild_id = ANY(:guilds) AND (g.competitions_category IS NOT NULL OR d.guild_id IS NOT NULL)
"""
DESKS = text(FROM_DESKS + " ORDER BY g.guild_id, c.id")
DESK = text(FROM_DESKS + " AND c.id = :competition")

TAKE = text(
    """
    INSERT INTO desks AS d (guild_id, competition_id, holder, held_until)
    VALUES (:guild, :competition, :holder, now() + make_interval(secs => :hold))
    ON CONFLICT (guild_id, competition_id) DO UPDATE
    SET holder = excluded.holder, held_until = excluded.held_until
    WHERE d.held_until <= now()
    RETURNING guild_id
    """
)
KEEP = text(
    """
    UPDATE desks SET held_until = now() + make_interval(secs => :hold)
    WHERE guild_id = :guild AND competition_id = :competition AND holder = :holder
      AND held_until > now()
    RETURNING guild_id
    """
)
LEAVE = text(
    """
    UPDATE desks SET holder = NULL, held_until = now(), trouble = :trouble,
        settings_at = :settings_at,
        due_at = now() + make_interval(secs => :pause),
        failures = CASE WHEN :trouble = '' THEN 0 ELSE failures + 1 END,
        compared_at = CASE WHEN :compared THEN now() ELSE compared_at END
    WHERE guild_id = :guild AND competition_id = :competition AND holder = :holder
    """
)
FORGIVE = text(
    "UPDATE desk_things SET lost = 0 WHERE guild_id = :guild AND competition_id = :competition"
)
LOOK_AGAIN = text(
    "UPDATE desks SET due_at = now(), compared_at = NULL WHERE guild_id = ANY(:guilds)"
)

PUT = text(
    """
    INSERT INTO desk_things AS t
        (guild_id, competition_id, key, place_id, channel_id, message_id, shown, revision, words,
         ends_at)
    VALUES (:guild, :competition, :key, :place_id, :channel_id, :message_id, :shown, :revision, :words, :ends_at)
    ON CONFLICT (guild_id, competition_id, key) DO UPDATE
    SET place_id = excluded.place_id, channel_id = excluded.channel_id,
        message_id = excluded.message_id, shown = excluded.shown, revision = excluded.revision, words = excluded.words, ends_at = excluded.ends_at
    """
)
LOST = text(
    """
    UPDATE desk_things SET place_id = NULL, channel_id = NULL, message_id = NULL, shown = '', revision = '', words = '',
        ends_at = NULL, lost = lost + :by
    WHERE guild_id = :guild AND competition_id = :competition AND key = ANY(:keys)
      AND place_id IS NOT NULL
    """
)
LOST_MESSAGE = text(
    """
    UPDATE desk_things SET message_id = NULL, shown = '', revision = '', words = '', lost = lost + 1
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
      AND message_id = :message
    """
)

# Whoever takes a card has its next edit to themselves.
TAKE_CARD = text(
    """
    UPDATE desk_things SET next_at = now() + make_interval(secs => :pause)
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
      AND next_at <= now() AND revision = :revision AND message_id IS NOT NULL
    RETURNING key
    """
)
SHOWN = text(
    """
    UPDATE desk_things SET revision = :revision, words = :words
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
    """
)
LATER = text(
    """
    UPDATE desk_things SET next_at = now() + make_interval(secs => :pause)
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
    """
)

# Once for each server that shows a thing: what it is told of the thing stands beside it.
TELL = text(
    """
    INSERT INTO outbox (key, topic, payload)
    SELECT CAST(:once AS text) || ':' || t.guild_id, 'post',
           CAST(:payload AS jsonb) || jsonb_build_object(
               'guild_id', t.guild_id, 'competition_id', t.competition_id, 'thing', t.key)
    FROM desk_things t
    WHERE t.key = :key AND t.place_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM outbox o WHERE o.key = CAST(:once AS text) || ':' || t.guild_id)
      AND (CAST(:guild AS bigint) IS NULL OR (t.guild_id = :guild AND t.competition_id = :competition))
    ON CONFLICT (key) DO NOTHING
    RETURNING id
    """
)

TROUBLES = text(
    """
    SELECT c.name AS competition, d.trouble,
           (SELECT count(*) FROM desk_things t WHERE t.guild_id = d.guild_id
               AND t.competition_id = d.competition_id AND t.lost >= :most) AS left_away
    FROM desks d JOIN competitions c ON c.id = d.competition_id
    WHERE d.guild_id = :guild ORDER BY c.id
    """
)


def _desk(guild_id: int, competition_id: int, **more: Any) -> dict[str, Any]:
    return {"guild": guild_id, "competition": competition_id, **more}


async def every(connection: AsyncConnection, guilds: Sequence[int]) -> Sequence[Row[Any]]:
    """Of these servers each with each competition that it shows, has shown or could show."""
    return (await connection.execute(DESKS, {"guilds": list(guilds)})).all()


async def one(connection: AsyncConnection, guild_id: int, competition_id: int) -> Row[Any] | None:
    values = {"guilds": [guild_id], "competition": competition_id}
    return (await connection.execute(DESK, values)).first()


async def things(connection: AsyncConnection, guilds: Sequence[int]) -> Sequence[Row[Any]]:
    query = select(desk_things).where(desk_things.c.guild_id.in_(guilds))
    return (await connection.execute(query)).all()


async def thing(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str
) -> Row[Any] | None:
    query = select(desk_things).where(
        desk_things.c.guild_id == guild_id,
        desk_things.c.competition_id == competition_id,
        desk_things.c.key == key,
    )
    return (await connection.execute(query)).first()


async def take(
    connection: AsyncConnection,
    guild_id: int,
    competition_id: int,
    holder: uuid.UUID,
    hold_s: float,
) -> bool:
    values = _desk(guild_id, competition_id, holder=holder, hold=hold_s)
    return (await connection.execute(TAKE, values)).first() is not None


async def keep(
    connection: AsyncConnection,
    guild_id: int,
    competition_id: int,
    holder: uuid.UUID,
    hold_s: float,
) -> bool:
    """Hold it for longer; False: it is somebody else's by now."""
    values = _desk(guild_id, competition_id, holder=holder, hold=hold_s)
    return (await connection.execute(KEEP, values)).first() is not None


async def leave(
    connection: AsyncConnection, guild_id: int, competition_id: int, holder: uuid.UUID,
    *, trouble: str, pause_s: float, compared: bool, settings_at: Any,
) -> None:  # fmt: skip
    values = _desk(
        guild_id, competition_id, holder=holder, trouble=trouble[:500], pause=pause_s,
        compared=compared, settings_at=settings_at,
    )  # fmt: skip
    await connection.execute(LEAVE, values)


async def forgive(connection: AsyncConnection, guild_id: int, competition_id: int) -> None:
    """What was deleted may be made again."""
    await connection.execute(FORGIVE, _desk(guild_id, competition_id))


async def look_again(connection: AsyncConnection, guilds: Sequence[int]) -> None:
    await connection.execute(LOOK_AGAIN, {"guilds": list(guilds)})


async def put(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str, **values: Any
) -> None:
    await connection.execute(PUT, _desk(guild_id, competition_id, key=key, **values))


async def lost(
    connection: AsyncConnection, guild_id: int, competition_id: int, keys: Sequence[str], by: int
) -> None:
    """They are not there any more; ``by``: 1 where somebody wished it so."""
    await connection.execute(LOST, _desk(guild_id, competition_id, keys=list(keys), by=by))


async def lost_message(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str, message_id: int
) -> None:
    values = _desk(guild_id, competition_id, key=key, message=message_id)
    await connection.execute(LOST_MESSAGE, values)


async def take_card(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str,
    revision: str, pause_s: float,
) -> bool:  # fmt: skip
    values = _desk(guild_id, competition_id, key=key, revision=revision, pause=pause_s)
    return (await connection.execute(TAKE_CARD, values)).first() is not None


async def shown(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str,
    revision: str, words: str,
) -> None:  # fmt: skip
    values = _desk(guild_id, competition_id, key=key, revision=revision, words=words)
    await connection.execute(SHOWN, values)


async def later(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str, pause_s: float
) -> None:
    values = _desk(guild_id, competition_id, key=key, pause=pause_s)
    await connection.execute(LATER, values)


async def tell(
    connection: AsyncConnection,
    key: str,
    once: str,
    payload: Mapping[str, Any],
    *,
    desk: tuple[int, int] | None = None,
) -> int:
    """Put into the outbox what is to stand beside a thing, for every server that shows it (or for one
    ``desk`` alone): once for each, however often this is called. How many are new."""
    guild_id, competition_id = desk or (None, None)
    values = {
        "key": key, "once": once, "payload": json.dumps(payload), "guild": guild_id,
        "competition": competition_id,
    }  # fmt: skip
    found = (await connection.execute(TELL, values)).all()
    if found:
        await changes.notify(connection, changes.OUTBOX, "post")
    return len(found)


async def troubles(connection: AsyncConnection, guild_id: int, most: int) -> Sequence[Row[Any]]:
    """Of every competition of a server what is wrong, and how much of it was deleted for good."""
    return (await connection.execute(TROUBLES, {"guild": guild_id, "most": most})).all()
