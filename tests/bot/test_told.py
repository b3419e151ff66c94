"""What is said beside the things of a server: once, in order, whatever happens in other servers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.bot import delivery
from kernelbot.services import guilds
from tests import factories
from tests.bot.scene import Scene, deny

SHOWS = """
    INSERT INTO desks (guild_id, competition_id)
    SELECT :guild, competition_id FROM leaderboards WHERE name = 'vectoradd'
"""
THING = """
    INSERT INTO desk_things (guild_id, competition_id, key, place_id)
    SELECT :guild, competition_id, 'board:' || id, :place FROM leaderboards WHERE name = 'vectoradd'
"""


async def shows(scene: Scene, place: Any) -> None:
    """The server shows the leaderboard there."""
    async with scene.app.database.transaction() as connection:
        values = {"guild": place.guild.id, "place": place.id}
        await connection.execute(text(SHOWS), values)
        await connection.execute(text(THING), values)
    user_id = (await scene.own()).user_id
    await guilds.change(scene.app, user_id, place.guild.id, competitions_category=1)


async def record(scene: Scene, name: str, ns: float) -> None:
    await factories.ranked(scene.app, await factories.make_actor(scene.app, name), ns)


async def tell(scene: Scene) -> None:
    """Whatever waits, now."""
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET due_at = now()"))
    await scene.bot.told.tell_due()


async def trouble(scene: Scene) -> str:
    async with scene.app.database.read() as connection:
        query = text("SELECT trouble FROM outbox WHERE topic = 'post' AND delivered_at IS NULL")
        return str((await connection.execute(query)).scalar_one())


async def test_what_may_have_been_said_is_not_repeated_where_the_history_is_hidden(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shows(scene, scene.channel)
    send = delivery.send

    async def cut_off(*arguments: Any) -> Any:
        await send(*arguments)
        raise ConnectionResetError

    await record(scene, "ada", 20_000)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", cut_off)
        await tell(scene)
    deny(scene, scene.channel, read_message_history=True)
    await tell(scene)

    assert len(scene.channel.history()) == 1
    assert await trouble(scene) == "the bot lacks Read Message History"
