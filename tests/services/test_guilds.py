"""What is chosen for servers: every change is written down, and nobody fills the log with them."""

from __future__ import annotations

import pytest

from kernelbot.app import App
from kernelbot.errors import RateLimited
from kernelbot.services import guilds
from tests import factories
from tests.services.test_turns import rows

HERE, THERE = 1, 2


async def lines(app: App, guild_id: int) -> int:
    query = "SELECT count(*) FROM audit_log WHERE target = :target"
    return int((await rows(app, query, target=f"guild:{guild_id}"))[0][0])


async def test_whoever_chooses_back_and_forth_is_refused_for_the_rest_of_the_hour(app: App) -> None:
    ada = (await factories.make_actor(app)).user_id
    for at in range(guilds.MOST_CHANGES):
        await guilds.change(app, ada, HERE, announcements_channel=10 + at % 2)

    with pytest.raises(RateLimited, match="changed 20 times within an hour") as refused:
        await guilds.change(app, ada, HERE, announcements_channel=10)
    same = await guilds.change(app, ada, HERE, announcements_channel=11)
    await guilds.change(app, ada, THERE, announcements_channel=10)

    assert 3500 < refused.value.retry_after_s <= 3600
    assert (same.announcements_channel, await lines(app, HERE)) == (11, guilds.MOST_CHANGES)
    assert await lines(app, THERE) == 1

    oldest = "(SELECT min(id) FROM audit_log WHERE target = 'guild:1')"
    await rows(
        app, f"UPDATE audit_log SET created_at = now() - interval '1 hour' WHERE id = {oldest}"
    )
    assert (
        await guilds.change(app, ada, HERE, announcements_channel=10)
    ).announcements_channel == 10
