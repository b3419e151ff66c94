"""What is said beside the things of a server: once, in order, whatever happens in other servers."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.bot import delivery
from kernelbot.services import guilds
from tests import factories
from tests.bot.scene import Scene, allow, deny, words

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


async def test_a_server_that_refuses_is_not_asked_again_and_again_and_after_a_day_not_told(
    scene: Scene,
) -> None:
    await shows(scene, scene.channel)
    deny(scene, scene.channel, send_messages=True)
    await record(scene, "ada", 20_000)
    before = len(scene.env.http_requests)
    await tell(scene)
    assert (await trouble(scene)).startswith("the bot lacks Send Messages")
    assert len(scene.env.http_requests) == before, "Discord shuts out who is refused very often"

    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET created_at = now() - interval '25 hours'"))
    await tell(scene)
    allow(scene, scene.channel)
    await tell(scene)

    assert scene.channel.history() == []


def said(channel: Any) -> list[str]:
    """Oldest first."""
    return [words(message) for message in sorted(channel.history(), key=lambda item: item.id)]


async def test_records_of_a_leaderboard_are_told_in_the_order_of_their_making(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shows(scene, scene.channel)
    for name, ns in (("ada", 30_000), ("bob", 20_000), ("cleo", 10_000)):
        await record(scene, name, ns)
    send = delivery.send

    async def the_first_takes_longest(channel: Any, post: Any, view: Any = None) -> Any:
        await asyncio.sleep(0.3 if "ada" in str(post.embeds[0].to_dict()) else 0)
        return await send(channel, post, view)

    monkeypatch.setattr(delivery, "send", the_first_takes_longest)
    at_work = asyncio.create_task(scene.bot.told.run())
    async with asyncio.timeout(120):
        while len(scene.channel.history()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    at_work.cancel()
    await asyncio.wait([at_work])

    found = [re.findall(r"\*\*(ada|bob|cleo)\*\*", one)[0] for one in said(scene.channel)]
    assert found == ["ada", "bob", "cleo"]


async def test_a_server_that_never_answers_takes_one_turn_and_holds_up_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute, send = scene.env.create_guild("Mute").create_text_channel("board"), delivery.send
    await shows(scene, mute)
    for number in range(4):
        await record(scene, f"person{number}", 40_000 - number * 5_000)
    await shows(scene, scene.channel)
    await record(scene, "ada", 10_000)
    hanging = []

    async def hang(channel: Any, post: Any, view: Any = None) -> Any:
        if channel.id == mute.id:
            hanging.append(post.key)
            await asyncio.Event().wait()
        return await send(channel, post, view)

    monkeypatch.setattr(delivery, "send", hang)
    monkeypatch.setattr(scene.bot.told, "at_once", 2)
    at_work = asyncio.create_task(scene.bot.told.run())
    async with asyncio.timeout(120):
        while not scene.channel.history():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    at_work.cancel()
    await asyncio.wait([at_work])

    assert len(hanging) == 1
