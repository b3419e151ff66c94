"""What a person wants to hear of, where, and when not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Row

from kernelbot.domain import notifying
from kernelbot.domain.notifying import Preferences
from kernelbot.domain.people import Actor, Scope
from kernelbot.services.context import Context
from kernelbot.storage import preferences as store

SWITCHES = ("finished", "overtaken", "deadlines", "direct")


async def of(ctx: Context, user_id: int) -> Preferences:
    async with ctx.database.read() as connection:
        return _preferences(await store.one(connection, user_id))


async def switch(ctx: Context, actor: Actor, name: str) -> Preferences:
    """Turn one of ``SWITCHES`` on, or off again."""
    actor.needs(Scope.READ)
    assert name in SWITCHES, name
    async with ctx.database.transaction() as connection:
        now = _preferences(await store.one(connection, actor.user_id))
        values = {name: not getattr(now, name)}
        return _preferences(await store.change(connection, actor.user_id, **values))


async def quiet(ctx: Context, actor: Actor, begin: str, end: str, zone: str) -> Preferences:
    """Quiet hours as people write them; both empty: none. Raises InvalidInput."""
    actor.needs(Scope.READ)
    begin, end, zone = begin.strip(), end.strip(), zone.strip() or "UTC"
    notifying.zone(zone)
    wanted = bool(begin or end)
    values = {
        "quiet_from": notifying.minute_of_day(begin) if wanted else None,
        "quiet_until": notifying.minute_of_day(end) if wanted else None,
        "zone": zone,
    }
    async with ctx.database.transaction() as connection:
        return _preferences(await store.change(connection, actor.user_id, **values))


async def speak(ctx: Context, user_id: int, locale: str) -> None:
    """Remember in which language this person is spoken to when nobody answers them just then."""
    if (await of(ctx, user_id)).locale != locale:
        async with ctx.database.transaction() as connection:
            await store.change(connection, user_id, locale=locale)


def _preferences(row: Row[Any] | None) -> Preferences:
    if row is None:
        return Preferences()
    return Preferences(**{item.name: getattr(row, item.name) for item in fields(Preferences)})
