"""One message is sent once, against what Discord does with nonces and with a history that is long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import discord as library
import pytest
import pytest_asyncio

from kernelbot.bot import delivery
from kernelbot.bot.post import Post
from tests.fakes import discord as fake
from tests.fakes.discord import LoopbackDiscord
from tests.fakes.discord_world import Channel

KEY = "notice 7"


@pytest_asyncio.fixture
async def client(
    discord: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[library.Client]:
    monkeypatch.setattr(library.http.Route, "BASE", discord.api_url)
    discord.pace = False
    async with library.Client(intents=library.Intents.none()) as made:
        await made.login(discord.token)
        yield made


@pytest.fixture
def channel(discord: LoopbackDiscord) -> Channel:
    return discord.text_channel(discord.guild(), "news")


async def sent(client: library.Client, channel: Channel, since: datetime | None = None) -> int:
    """The id of the message; ``since``: it may have been sent before."""
    embed = library.Embed(description="Hear!")
    embed.set_footer(text=KEY)
    message = await delivery.send_once(
        client.get_partial_messageable(channel.id), Post(embeds=(embed,), key=KEY),
        client.user.id if client.user else 0,
        since=since or datetime.now(UTC), again=since is not None,
    )  # fmt: skip
    return message.id


async def test_each_channel_gets_its_own_although_a_nonce_is_its_senders_everywhere(
    discord: LoopbackDiscord, client: library.Client, channel: Channel
) -> None:
    other = discord.text_channel(discord.guild("Other"), "news")

    first, second = await sent(client, channel), await sent(client, other)

    assert [item.id for item in discord.read(channel)] == [first]
    assert [item.id for item in discord.read(other)] == [second]
    assert await sent(client, channel) == first


async def test_what_was_deleted_is_sent_again_while_discord_knows_its_nonce(
    discord: LoopbackDiscord, client: library.Client, channel: Channel
) -> None:
    for _ in range(2):
        discord.messages[await sent(client, channel)].deleted = True

    last = await sent(client, channel)

    assert [item.id for item in discord.read(channel)] == [last]


async def test_it_is_found_in_a_channel_where_much_was_said_before_it(
    discord: LoopbackDiscord,
    client: library.Client,
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "LOOKED_THROUGH", 5)
    monkeypatch.setattr(fake, "NONCE_S", 0.0)
    since = datetime.now(UTC)
    for number in range(10):
        discord.write(discord.user(f"person{number}"), channel, "hello")

    first = await sent(client, channel)

    assert await sent(client, channel, since) == first
