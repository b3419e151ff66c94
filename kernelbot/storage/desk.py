"""What servers show of competitions, and who sees to it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.desk import Card
from kernelbot.storage import changes
from kernelbot.storage.tables import competitions, desk_things

THING_FIELDS = (
    "key", "place_id", "channel_id", "message_id", "shown", "revision", "words", "next_at",
    "ends_at", "lost", "failures",
)  # fmt: skip
THING = tuple(desk_things.c[name] for name in ("guild_id", "competition_id", *THING_FIELDS))

Kept = tuple[int, int, tuple[Any, ...]]
"""A thing's server, competition, and ``THING_FIELDS``."""

# Which competitions a server with a category could show, and those that it has shown.
FROM_DESKS = """
    SELECT g.guild_id, g.competitions_category AS category_id, g.changed_at AS settings_at,
           c.id AS competition_id, c.visibility, c.public_from,
           d.held_until > now() AS held, coalesce(d.due_at, now()) <= now() AS due,
           d.compared_at, d.changed_at, d.settings_at AS followed, d.failures, now() AS at
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
      AND (d.due_at <= now() OR d.settings_at IS DISTINCT FROM
           (SELECT g.changed_at FROM guilds g WHERE g.guild_id = excluded.guild_id))
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
# What was changed meanwhile is looked at in the next turn, at once.
LEAVE = text(
    """
    UPDATE desks SET holder = NULL, held_until = now(), trouble = :trouble,
        settings_at = :settings_at,
        due_at = CASE WHEN changed_at > :began THEN now()
                      ELSE now() + make_interval(secs => :pause) END,
        failures = CASE WHEN :trouble = '' THEN 0 ELSE failures + 1 END,
        compared_at = CASE WHEN :compared THEN :began ELSE compared_at END
    WHERE guild_id = :guild AND competition_id = :competition AND holder = :holder
    """
)
FORGIVE = text(
    "UPDATE desk_things SET lost = 0 WHERE guild_id = :guild AND competition_id = :competition"
)
# ``places``: those that have changed; without any all of the server.
LOOK_AGAIN = text(
    """
    UPDATE desks d SET due_at = now(), changed_at = now()
    FROM guilds g
    WHERE d.guild_id = :guild AND g.guild_id = d.guild_id
      AND (cardinality(CAST(:places AS bigint[])) = 0 OR g.competitions_category = ANY(:places)
           OR EXISTS (SELECT FROM desk_things t WHERE t.guild_id = d.guild_id
                      AND t.competition_id = d.competition_id AND t.place_id = ANY(:places)))
    """
)
# When its pause is over.
LOOK_LATER = text(
    "UPDATE desks SET changed_at = now() WHERE guild_id = :guild AND competition_id = :competition"
)

PUT = text(
    """
    INSERT INTO desk_things AS t
        (guild_id, competition_id, key, place_id, channel_id, message_id, shown, revision, words,
         ends_at)
    VALUES (:guild, :competition, :key, :place_id, :channel_id, :message_id, :shown, :revision,
            :words, :ends_at)
    ON CONFLICT (guild_id, competition_id, key) DO UPDATE
    SET place_id = excluded.place_id, channel_id = excluded.channel_id,
        message_id = excluded.message_id, shown = excluded.shown, revision = excluded.revision,
        words = excluded.words, ends_at = excluded.ends_at, failures = 0,
        held_until = CASE WHEN :alone THEN now() ELSE t.held_until END
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

# Whoever holds a card is the only one who edits it.
TAKE_CARD = text(
    """
    UPDATE desk_things SET next_at = now() + make_interval(secs => :pause),
        held_until = now() + make_interval(secs => :hold)
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
      AND next_at <= now() AND held_until <= now() AND revision = :revision
      AND message_id = :message
    RETURNING key
    """
)
HOLD_CARD = text(
    """
    UPDATE desk_things SET held_until = now() + make_interval(secs => :hold)
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
      AND held_until <= now()
    RETURNING key
    """
)
# Where it is not as it was taken any more, nobody knows which words came last: it is written anew.
SHOWN = text(
    """
    UPDATE desk_things SET held_until = now(), failures = 0,
        next_at = now() + make_interval(secs => :pause),
        revision = CASE WHEN revision = :old AND shown = :shown THEN :revision ELSE '' END,
        words = CASE WHEN revision = :old AND shown = :shown THEN :words ELSE '' END,
        shown = CASE WHEN revision = :old AND shown = :shown THEN shown ELSE '' END
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
      AND message_id = :message
    """
)
# It may have been written, or not.
LATER = text(
    """
    UPDATE desk_things SET held_until = now(), failures = failures + 1,
        next_at = now() + make_interval(secs => :pause),
        words = CASE WHEN shown = :shown THEN '' ELSE words END
    WHERE guild_id = :guild AND competition_id = :competition AND key = :key
      AND message_id = :message
    """
)
REST = text(
    """
    UPDATE desk_things SET next_at = greatest(next_at, now() + make_interval(secs => :pause))
    WHERE guild_id = :guild AND channel_id = :channel
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
      AND (CAST(:competition AS bigint) IS NULL
           OR (t.competition_id = :competition AND t.guild_id = ANY(CAST(:guilds AS bigint[]))))
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


def _card(card: Card, **more: Any) -> dict[str, Any]:
    return _desk(card.guild_id, card.competition_id, key=card.key, message=card.message_id, **more)


async def every(connection: AsyncConnection, guilds: Sequence[int]) -> Sequence[Row[Any]]:
    """Of these servers each with each competition that it shows, has shown or could show."""
    return (await connection.execute(DESKS, {"guilds": list(guilds)})).all()


async def one(connection: AsyncConnection, guild_id: int, competition_id: int) -> Row[Any] | None:
    values = {"guilds": [guild_id], "competition": competition_id}
    return (await connection.execute(DESK, values)).first()


async def documents(
    connection: AsyncConnection, competition_ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """By competition."""
    query = select(competitions.c.id, competitions.c.document)
    found = await connection.execute(query.where(competitions.c.id.in_(competition_ids)))
    return {row.id: row.document for row in found}


async def things(
    connection: AsyncConnection, guilds: Sequence[int], competition_id: int | None = None
) -> list[Kept]:
    query = select(*THING).where(desk_things.c.guild_id.in_(guilds))
    if competition_id is not None:
        query = query.where(desk_things.c.competition_id == competition_id)
    return [(row[0], row[1], tuple(row)[2:]) for row in await connection.execute(query)]


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
    *, began: datetime, trouble: str, pause_s: float, compared: bool, settings_at: Any,
) -> None:  # fmt: skip
    values = _desk(
        guild_id, competition_id, holder=holder, trouble=trouble[:500], pause=pause_s,
        compared=compared, settings_at=settings_at, began=began,
    )  # fmt: skip
    await connection.execute(LEAVE, values)


async def forgive(connection: AsyncConnection, guild_id: int, competition_id: int) -> None:
    """What was deleted may be made again."""
    await connection.execute(FORGIVE, _desk(guild_id, competition_id))


async def look_again(connection: AsyncConnection, guild_id: int, places: Sequence[int]) -> None:
    await connection.execute(LOOK_AGAIN, {"guild": guild_id, "places": list(places)})


async def look_later(connection: AsyncConnection, guild_id: int, competition_id: int) -> None:
    await connection.execute(LOOK_LATER, _desk(guild_id, competition_id))


async def put(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str, **values: Any
) -> None:
    """``alone``: nobody else may be writing it, so whoever comes next may."""
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


async def take_card(connection: AsyncConnection, card: Card, pause_s: float, hold_s: float) -> bool:
    values = _card(card, revision=card.shown, pause=pause_s, hold=hold_s)
    return (await connection.execute(TAKE_CARD, values)).first() is not None


async def hold_card(
    connection: AsyncConnection, guild_id: int, competition_id: int, key: str, hold_s: float
) -> bool:
    """Whoever sees to the desk comes before its cards' pauses; False: somebody is editing it."""
    values = _desk(guild_id, competition_id, key=key, hold=hold_s)
    return (await connection.execute(HOLD_CARD, values)).first() is not None


async def shown(connection: AsyncConnection, card: Card, words: str, pause_s: float) -> None:
    values = _card(
        card, old=card.shown, shown=card.post, revision=card.wanted, words=words, pause=pause_s
    )
    await connection.execute(SHOWN, values)


async def later(connection: AsyncConnection, card: Card, pause_s: float) -> None:
    await connection.execute(LATER, _card(card, pause=pause_s, shown=card.post))


async def rest(connection: AsyncConnection, guild_id: int, channel_id: int, pause_s: float) -> None:
    values = {"guild": guild_id, "channel": channel_id, "pause": pause_s}
    await connection.execute(REST, values)


async def tell(
    connection: AsyncConnection,
    key: str,
    once: str,
    payload: Mapping[str, Any],
    *,
    competition_id: int | None = None,
    guilds: Sequence[int] = (),
) -> int:
    """Put into the outbox what is to stand beside a thing, for every server that shows it (or of one
    competition, for these): once for each, however often this is called. How many are new."""
    values = {
        "key": key, "once": once, "payload": json.dumps(payload),
        "competition": competition_id, "guilds": list(guilds),
    }  # fmt: skip
    found = (await connection.execute(TELL, values)).all()
    if found:
        await changes.notify(connection, changes.OUTBOX, "post")
    return len(found)


async def troubles(connection: AsyncConnection, guild_id: int, most: int) -> Sequence[Row[Any]]:
    """Of every competition of a server what is wrong, and how much of it was deleted for good."""
    return (await connection.execute(TROUBLES, {"guild": guild_id, "most": most})).all()
