"""What is announced: in which channel of which server, once in each, whatever happens in others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.bot import delivery
from kernelbot.domain.competition import Visibility
from kernelbot.services import bulletins, guilds, identity
from tests import factories
from tests.bot.scene import Scene, allow, deny, words
from tests.conftest import ADMIN_TOKEN
from tests.services.contest import contest, published


async def podium(scene: Scene, ns: float = 20_000) -> None:
    """Somebody takes the first place."""
    await factories.ranked(scene.app, await factories.make_actor(scene.app, "grace"), ns)


async def tell(scene: Scene) -> int:
    """Whatever waits, now; how much that was."""
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET due_at = now()"))
    return await scene.bot.announcer.tell_due()


async def troubles(scene: Scene) -> list[str]:
    """Of what still waits."""
    async with scene.app.database.read() as connection:
        query = text("SELECT trouble FROM outbox WHERE delivered_at IS NULL ORDER BY id")
        return list((await connection.execute(query)).scalars())


async def test_a_bulletin_that_nobody_could_hear_for_a_day_is_given_up(scene: Scene) -> None:
    organizer = await scene.organizer()
    deny(scene, scene.channel, send_messages=True)
    await bulletins.tell(scene.app, organizer, "1", "Hear!", None)
    await tell(scene)
    assert len(await troubles(scene)) == 1

    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET created_at = now() - interval '25 hours'"))
    await tell(scene)
    assert await troubles(scene) == []
    allow(scene, scene.channel)
    assert await tell(scene) == 0


def posts(channel: Any) -> int:
    return sum(" place with " in words(message) for message in channel.history())


async def server(scene: Scene, name: str, channel: str = "news", *, chosen: bool = True) -> Any:
    """Another server with a channel in which announcements are to be."""
    guild = scene.env.create_guild(name)
    made = guild.create_text_channel(channel)
    if chosen:
        await choose(scene, guild, made)
    return made


async def choose(scene: Scene, guild: Any, channel: Any) -> None:
    user_id = (await scene.own()).user_id
    await guilds.change(scene.app, user_id, guild.id, announcements_channel=channel.id)


async def test_each_server_hears_in_its_own_channel_and_where_nobody_chose_one_by_its_name(
    scene: Scene,
) -> None:
    news, lobby = await server(scene, "One", "news"), await server(scene, "Two", "lobby")
    passed_over = news.guild.create_text_channel("submissions")
    await server(scene, "Nothing for us", "elsewhere", chosen=False)

    await podium(scene)
    await tell(scene)

    assert [posts(item) for item in (news, lobby, scene.channel, passed_over)] == [1, 1, 1, 0]
    assert await troubles(scene) == []


async def test_a_server_that_fails_or_shuts_the_bot_out_holds_up_no_other_and_repeats_nothing(
    scene: Scene,
) -> None:
    ailing, shut = await server(scene, "Ailing"), await server(scene, "Shut")
    deny(scene, shut, send_messages=True)
    scene.env.inject_error("POST", f"/channels/{ailing.id}/messages")

    await podium(scene)
    await tell(scene)
    assert [posts(item) for item in (scene.channel, ailing, shut)] == [1, 0, 0]
    (trouble,) = await troubles(scene)
    assert trouble.startswith("#news in Ailing: HTTPException('500 ")

    # Not the history, which anybody may have emptied, but the database tells where it stands.
    scene.env.backend.messages[scene.channel.id].clear()
    await tell(scene)
    assert [posts(item) for item in (scene.channel, ailing, shut)] == [0, 1, 0]
    assert await troubles(scene) == []


async def test_a_server_that_will_never_take_it_is_passed_over(scene: Scene) -> None:
    odd, slow = await server(scene, "Odd"), await server(scene, "Slow")
    scene.env.inject_error("POST", f"/channels/{odd.id}/messages", status=400, code=50035)
    scene.env.inject_error("POST", f"/channels/{slow.id}/messages", status=401)

    await podium(scene)
    await tell(scene)
    (trouble,) = await troubles(scene)
    assert trouble.startswith("#news in Slow: ")

    scene.env.inject_error("POST", f"/channels/{odd.id}/messages", status=400, code=50035)
    await tell(scene)
    assert [posts(item) for item in (scene.channel, odd, slow)] == [1, 0, 1]
    assert await troubles(scene) == []


async def test_a_server_that_never_answers_holds_up_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute, send = await server(scene, "Mute"), delivery.send_once

    async def hang(channel: Any, *arguments: Any, **options: Any) -> Any:
        if channel.id == mute.id:
            await asyncio.Event().wait()
        return await send(channel, *arguments, **options)

    monkeypatch.setattr(scene.bot.announcer, "patience_s", 6.0)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send_once", hang)
        await podium(scene)
        await tell(scene)
    assert (posts(scene.channel), posts(mute), len(await troubles(scene))) == (1, 0, 1)

    await tell(scene)
    assert (posts(scene.channel), posts(mute), await troubles(scene)) == (1, 1, [])


async def test_what_is_missing_is_named_and_it_waits_while_nobody_has_heard_of_it(
    scene: Scene,
) -> None:
    await choose(scene, scene.guild, scene.channel)
    deny(scene, scene.channel, send_messages=True)

    await podium(scene)
    await tell(scene)
    (trouble,) = await troubles(scene)
    assert trouble == "#submissions in Test Guild: the bot lacks Send Messages, Embed Links"

    allow(scene, scene.channel)
    await tell(scene)
    assert (posts(scene.channel), await troubles(scene)) == (1, [])


async def test_a_chosen_channel_that_was_deleted_is_named_and_no_other_takes_its_place(
    scene: Scene,
) -> None:
    news = await server(scene, "One", "news")
    namesake = news.guild.create_text_channel("submissions")
    scene.env.backend.delete_channel(news.id)
    await scene.env.settle()
    scene.env.backend.delete_channel(scene.channel.id)
    await scene.env.settle()

    await podium(scene)
    await tell(scene)

    assert posts(namesake) == 0
    assert await troubles(scene) == ["the channel that was chosen in One is gone: /setup there"]


async def test_a_server_that_the_bot_has_left_is_passed_over_and_found_as_it_was_on_return(
    scene: Scene,
) -> None:
    news = await server(scene, "One")
    scene.env.backend.remove_guild(news.guild.id)
    await scene.env.settle()

    await podium(scene)
    await tell(scene)

    assert (posts(scene.channel), await troubles(scene)) == (1, [])
    assert (await guilds.of(scene.app, news.guild.id)).announcements_channel == news.id


# --- for whom ------------------------------------------------------------------------------------


async def private(scene: Scene, shelf: Path, **values: Any) -> None:
    await published(scene.app, shelf, contest(visibility=Visibility.INVITE, **values))


async def test_what_is_by_invitation_is_posted_only_in_the_channel_that_it_names_by_id(
    scene: Scene, shelf: Path
) -> None:
    own = scene.guild.create_text_channel("finals")
    news, baited = await server(scene, "One"), await server(scene, "Two", str(own.id), chosen=False)
    await private(scene, shelf, channel=str(own.id))

    organizer = await identity.authenticate(scene.app, ADMIN_TOKEN, "api")
    await factories.ranked(scene.app, organizer, 20_000)
    await tell(scene)

    places = (own, scene.channel, news, baited)
    assert [posts(item) for item in places] == [1, 0, 0, 0]


async def test_what_was_for_everybody_when_it_was_written_and_no_more_is_posted_nowhere(
    scene: Scene, shelf: Path
) -> None:
    organizer = await identity.authenticate(scene.app, ADMIN_TOKEN, "api")
    await published(scene.app, shelf, contest())
    await podium(scene)
    await bulletins.tell(scene.app, organizer, "1", "Hear!", "getting-started")
    await private(scene, shelf)
    await bulletins.tell(scene.app, organizer, "2", "Hear, all of you!", None)

    await tell(scene)

    (message,) = scene.channel.history()
    assert "Hear, all of you!" in words(message)
    assert await troubles(scene) == []


async def test_a_public_competition_with_a_channel_of_its_own_is_posted_there_alone(
    scene: Scene, shelf: Path
) -> None:
    own = scene.guild.create_text_channel("finals")
    await choose(scene, scene.guild, scene.channel)
    await published(scene.app, shelf, contest(channel=str(own.id)))

    await podium(scene)
    await tell(scene)

    assert (posts(own), posts(scene.channel)) == (1, 0)


# --- what is not known ---------------------------------------------------------------------------


async def test_a_server_that_was_never_tried_needs_no_history_however_often_others_were(
    scene: Scene,
) -> None:
    blind = await server(scene, "Blind")
    deny(scene, blind, read_message_history=True)
    await podium(scene)
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET attempts = 3"))  # of bots that were killed

    await tell(scene)

    assert (posts(blind), posts(scene.channel), await troubles(scene)) == (1, 1, [])


async def test_where_it_may_stand_already_it_waits_for_the_history_and_is_found_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = delivery.send

    async def cut_off(*arguments: Any) -> Any:
        await send(*arguments)
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", cut_off)
        await podium(scene)
        await tell(scene)
    deny(scene, scene.channel, read_message_history=True)
    await tell(scene)
    assert (posts(scene.channel), await troubles(scene)) == (
        1,
        ["#submissions in Test Guild: the bot lacks Read Message History"],
    )

    # The clock of this Discord is behind.
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE receipts SET created_at = '2025-01-01'"))
    allow(scene, scene.channel)
    await tell(scene)
    assert (posts(scene.channel), await troubles(scene)) == (1, [])
