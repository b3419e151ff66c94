"""The loopback Discord enforces what the real one does; a fake that forgives proves nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.fakes import discord_rules
from tests.fakes.discord import LoopbackDiscord
from tests.fakes.discord_rules import ApiError
from tests.fakes.discord_world import READ_MESSAGE_HISTORY, SEND_MESSAGES, VIEW_CHANNEL, Channel

COMMAND = {"name": "ping", "description": "Says pong", "type": 1, "options": []}


class Client:
    """A bare bot."""

    def __init__(self, discord: LoopbackDiscord, session: aiohttp.ClientSession) -> None:
        self.discord = discord
        self.session = session

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {self.discord.token}"}
        url = self.discord.api_url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if text else None


@pytest_asyncio.fixture
async def discord() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as made:
        yield made


@pytest_asyncio.fixture
async def client(discord: LoopbackDiscord) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        made = Client(discord, session)
        await made.call("PUT", f"/applications/{discord.bot.id}/commands", [COMMAND])
        yield made


@pytest.fixture
def channel(discord: LoopbackDiscord) -> Channel:
    return discord.text_channel(discord.guild(), "general")


async def test_an_interaction_answered_after_three_seconds_is_unknown(
    discord: LoopbackDiscord, client: Client, channel: Channel
) -> None:
    assert channel.guild is not None
    sent = await discord.slash(discord.person(channel.guild, "ada"), channel, "ping")
    discord.advance(3.5)

    status, body = await client.call(
        "POST", f"/interactions/{sent.id}/{sent.token}/callback", {"type": 5}
    )

    assert (status, body["code"]) == (404, 10062)
    with pytest.raises(AssertionError, match="not acknowledged in time"):
        discord.assert_well_behaved()


async def test_an_interaction_is_answered_once_and_its_token_ends(
    discord: LoopbackDiscord, client: Client, channel: Channel
) -> None:
    assert channel.guild is not None
    sent = await discord.slash(discord.person(channel.guild, "ada"), channel, "ping")
    path = f"/interactions/{sent.id}/{sent.token}/callback"
    hook = f"/webhooks/{discord.bot.id}/{sent.token}"
    early = await client.call("POST", hook, {"content": "too early"})
    first = await client.call("POST", path, {"type": 5})
    second = await client.call("POST", path, {"type": 5})
    follow_up = await client.call("POST", hook, {"content": "pong"})
    discord.advance(901)
    late = await client.call("POST", hook, {"content": "too late"})

    assert (early[0], early[1]["code"]) == (404, 10015)
    assert first[0] == 204
    assert (second[0], second[1]["code"]) == (400, 40060)
    assert follow_up[0] == 200
    assert (late[0], late[1]["code"]) == (401, 50027)


async def test_a_nonce_gives_the_same_message_again(
    discord: LoopbackDiscord, client: Client, channel: Channel
) -> None:
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}

    _, first = await client.call("POST", f"/channels/{channel.id}/messages", body)
    _, second = await client.call("POST", f"/channels/{channel.id}/messages", body)

    assert first["id"] == second["id"]
    assert len(discord.read(channel)) == 1


async def test_a_nonce_is_its_senders_in_every_channel_and_dies_with_its_message(
    discord: LoopbackDiscord, client: Client, channel: Channel
) -> None:
    elsewhere = discord.text_channel(discord.guild(), "general")
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}

    _, first = await client.call("POST", f"/channels/{channel.id}/messages", body)
    _, second = await client.call("POST", f"/channels/{elsewhere.id}/messages", body)
    assert (second["id"], discord.read(elsewhere)) == (first["id"], [])

    discord.messages[int(first["id"])].deleted = True
    status, refused = await client.call("POST", f"/channels/{channel.id}/messages", body)
    assert (status, refused["code"]) == (404, 10008)


async def test_the_sixth_message_within_five_seconds_is_one_too_many(
    client: Client, channel: Channel
) -> None:
    answers = [
        await client.call("POST", f"/channels/{channel.id}/messages", {"content": str(at)})
        for at in range(6)
    ]

    assert [status for status, _ in answers] == [200] * 5 + [429]
    assert answers[-1][1]["retry_after"] > 0


async def test_missing_permissions_are_refused_and_a_hidden_history_is_empty(
    discord: LoopbackDiscord, client: Client
) -> None:
    guild = discord.guild()
    mute = discord.text_channel(guild, "mute", denied=SEND_MESSAGES)
    blind = discord.text_channel(guild, "blind", denied=READ_MESSAGE_HISTORY)

    refused = await client.call("POST", f"/channels/{mute.id}/messages", {"content": "x"})
    await client.call("POST", f"/channels/{blind.id}/messages", {"content": "x"})
    history = await client.call("GET", f"/channels/{blind.id}/messages")

    assert (refused[0], refused[1]["code"]) == (403, 50013)
    assert history == (200, [])


async def test_what_is_denied_in_a_channel_is_denied_in_its_threads(
    discord: LoopbackDiscord, client: Client, channel: Channel
) -> None:
    thread = discord.thread(channel, "a thread")
    path = f"/channels/{thread.id}/messages"
    _, sent = await client.call("POST", path, {"content": "x"})

    channel.denied = VIEW_CHANNEL
    status, refused = await client.call("PATCH", f"{path}/{sent['id']}", {"content": "y"})

    assert (status, refused["code"]) == (403, 50001)


async def test_an_unknown_route_is_remembered(discord: LoopbackDiscord, client: Client) -> None:
    status, _ = await client.call("DELETE", "/guilds/1/everything")

    assert status == 501
    with pytest.raises(AssertionError, match="unknown route"):
        discord.assert_well_behaved()


BUTTON = {"type": 2, "style": 1, "label": "x", "custom_id": "same"}
TOO_MUCH = {
    "content": ({"content": "x" * 2001}, "content"),
    "title": ({"embeds": [{"title": "x" * 257}]}, "embeds.0.title"),
    "total": ({"embeds": [{"description": "x" * 4000}] * 2}, "embeds"),
    "field": (
        {"embeds": [{"fields": [{"name": "n", "value": " "}]}]},
        "embeds.0.fields.0.value",
    ),
    "twin buttons": (
        {"components": [{"type": 1, "components": [BUTTON, BUTTON]}]},
        "components.0.components.1.custom_id",
    ),
}


@pytest.mark.parametrize(("body", "path"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_message_over_a_limit_is_refused_with_the_path(body: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as refused:
        discord_rules.check_message(body, [], new=True)

    assert refused.value.code == 50035
    assert path in refused.value.errors


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(ApiError) as refused:
        discord_rules.check_message({"content": "  "}, [], new=True)

    assert refused.value.code == 50006


def test_twenty_six_choices_are_refused() -> None:
    with pytest.raises(ApiError):
        discord_rules.check_choices([{"name": "x", "value": "x"}] * 26)


async def test_it_serves_as_a_process_and_says_how_a_bot_gets_there() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.discord", "--port", "0", stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        said = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        base = said["KERNELBOT_DISCORD_API_URL"].removesuffix("/api/v10")
        command = {"user": "ada", "channel": "submissions", "command": "queue"}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{base}/people/slash", json=command) as answer:
                refused = answer.status, (await answer.json())["message"]
            async with session.get(f"{base}/people/transcript") as answer:
                assert answer.status == 200
    finally:
        process.terminate()
        await process.wait()

    assert refused == (400, "/queue is not registered")
