"""Direct messages that somebody asked for."""

from __future__ import annotations

import pytest_asyncio
from sqlalchemy import text

from kernelbot.services import preferences
from tests import factories
from tests.bot.scene import Scene, words


@pytest_asyncio.fixture
async def passed(scene: Scene) -> Scene:
    """Ada, who wants to hear of it, has just been passed."""
    await preferences.switch(scene.app, await scene.own(), "overtaken")
    await factories.ranked(scene.app, await scene.own(), 40_000)
    await factories.ranked(scene.app, await factories.make_actor(scene.app, "*bob*"), 20_000)
    return scene


async def waits(scene: Scene) -> int:
    async with scene.app.database.read() as connection:
        query = text(
            "SELECT count(*) FROM outbox WHERE topic = 'overtaken' AND delivered_at IS NULL"
        )
        return int((await connection.execute(query)).scalar_one())


async def test_being_passed_is_told_in_a_direct_message_with_who_and_by_how_much(
    passed: Scene,
) -> None:
    assert await passed.bot.notices.tell_due() == 1
    assert await passed.bot.notices.tell_due() == 0

    (message,) = passed.user.dm_channel.history()
    assert "2nd with 40.0 µs ± 0.1, behind \\*bob\\* with 20.0" in words(message)
    assert "`/me` turns it off" in words(message)


async def test_who_takes_no_direct_messages_is_left_alone(passed: Scene) -> None:
    passed.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, times=None)

    await passed.bot.notices.tell_due()

    assert await waits(passed) == 0


async def test_a_notice_that_discord_refuses_for_a_moment_comes_later(passed: Scene) -> None:
    passed.env.inject_error("POST", "/users/@me/channels", status=403, times=1)

    await passed.bot.notices.tell_due()

    assert await waits(passed) == 1


async def test_a_deadline_is_told_with_the_time_in_the_readers_own_zone(scene: Scene) -> None:
    await preferences.switch(scene.app, await scene.own(), "deadlines")
    await factories.submitted(scene.app, await scene.own())
    async with scene.app.database.transaction() as connection:
        closes = "UPDATE leaderboards SET closes_at = now() + interval '20 hours'"
        await connection.execute(text(closes + " WHERE name = 'vectoradd'"))

    assert await scene.bot.notices.tell_due() == 1

    (message,) = scene.user.dm_channel.history()
    assert "vectoradd closes <t:" in words(message)
