"""A server is set up by whoever manages it; what is missing is named; commands and intents are no more than needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import discord
import pytest
import pytest_asyncio
from simcord.backend import serializers
from sqlalchemy import text

from kernelbot.bot import permissions, setup_page
from kernelbot.bot.client import Bot
from kernelbot.services import guilds, preferences
from kernelbot.services.views import GuildView
from tests.bot.scene import Scene, allow, deny, labels, words
from tests.fakes.discord_rules import kept

ROOT = Path(__file__).parents[2]
MANAGES = discord.Permissions(manage_guild=True)


@pytest_asyncio.fixture
async def grace(scene: Scene) -> Any:
    """She manages the server."""
    role = scene.guild.create_role("staff", permissions=MANAGES)
    return scene.guild.add_member(scene.env.create_user("grace"), roles=[role])


async def opened(scene: Scene, grace: Any) -> Any:
    shown = await grace.slash(scene.channel, "setup")
    assert shown.ephemeral
    return shown.response


async def choose(grace: Any, page: Any, choice: str, *places: Any) -> Any:
    return await grace.select(page, places, custom_id=f"kb:setup:{choice}")


def told(pressed: Any) -> str:
    return "\n".join(item.content for item in pressed.followups)


# --- the wizard --------------------------------------------------------------------------------------


async def test_places_are_chosen_shown_changed_and_cleared_also_after_a_restart(
    scene: Scene, grace: Any
) -> None:
    news = scene.guild.create_text_channel("news")
    contests = scene.guild.create_category("contests")
    page = await opened(scene, grace)
    assert "None chosen: they go to a channel named `submissions`" in words(page)
    assert labels(page)[2:] == ["Make a category for me", "Look again"]

    await choose(grace, page, "announcements_channel", news)
    await choose(grace, page, "competitions_category", contests)
    assert f"Now: {news.mention}\nI may do there all that I need." in words(page)
    assert f"Now: {contests.mention}" in words(page)
    view = await guilds.of(scene.app, scene.guild.id)
    assert (view.announcements_channel, view.competitions_category) == (news.id, contests.id)

    await scene.env.restart_bot(Bot(scene.app))
    await choose(grace, page, "announcements_channel", scene.channel)
    await grace.click(page, label="No category")
    assert f"Now: {scene.channel.mention}" in words(page)
    assert "None chosen, so there are none here." in words(page)

    await choose(grace, page, "announcements_channel")
    view = await guilds.of(scene.app, scene.guild.id)
    assert (view.announcements_channel, view.competitions_category) == (None, None)


async def test_where_rules_cannot_be_pinned_that_is_named_and_nothing_else(
    scene: Scene, grace: Any
) -> None:
    contests = scene.guild.create_category("contests")
    deny(scene, contests, pin_messages=True, manage_messages=True)
    page = await opened(scene, grace)

    await choose(grace, page, "competitions_category", contests)

    assert "Without Pin Messages there the rules are not pinned" in words(page)


async def test_a_category_is_made_once_however_often_it_is_asked_for(
    scene: Scene, grace: Any
) -> None:
    page, same = await opened(scene, grace), await opened(scene, grace)

    for shown in (page, same):
        await grace.click(shown, label="Make a category for me")

    made = scene.guild.channels["Competitions"]
    view = await guilds.of(scene.app, scene.guild.id)
    assert view.competitions_category == made.id
    assert list(scene.guild.channels).count("Competitions") == 1
    assert f"Now: {made.mention}" in words(page)


async def test_hello_is_said_where_announcements_will_be(scene: Scene, grace: Any) -> None:
    news = scene.guild.create_text_channel("news")
    page = await opened(scene, grace)
    await choose(grace, page, "announcements_channel", news)

    pressed = await grace.click(page, label="Say hello there")

    (message,) = news.history()
    assert "This is where announcements of KernelBot will be" in words(message)
    assert told(pressed) == f"Said: {message.jump_url}"


async def test_what_is_missing_is_named_with_where_it_is_given_and_gone_once_it_is(
    scene: Scene, grace: Any
) -> None:
    news = scene.guild.create_text_channel("news")
    deny(scene, news, embed_links=True, read_message_history=True)
    page = await opened(scene, grace)

    await choose(grace, page, "announcements_channel", news)
    assert (
        f"**I lack there: Embed Links, Read Message History.** In the settings of {news.mention}, "
        "under Permissions, add "
    ) in words(page)
    refused = await grace.click(page, label="Say hello there")
    assert told(refused).startswith(f"I cannot write in {news.mention}: Embed Links is missing.\n")

    allow(scene, news)
    await grace.click(page, label="Look again")
    assert "I lack" not in words(page)


async def test_what_is_missing_in_the_whole_server_is_named_with_a_link_that_gives_it(
    scene: Scene, grace: Any
) -> None:
    given = permissions.asked_for()
    given.update(create_private_threads=False, create_events=False, manage_channels=False)
    may(scene, given)

    page = await opened(scene, grace)
    assert "**I lack: Create Private Threads.**" in words(page)
    assert "Cards and results come as direct messages" in words(page)
    link = permissions.invite(scene.bot.application_id or 0)
    assert f"[this link]({link})" in words(page)
    refused = await grace.click(page, label="Make a category for me")
    assert "I cannot make a category: Manage Channels is missing." in told(refused)

    await choose(grace, page, "competitions_category", scene.guild.create_category("contests"))
    assert "**I lack: Create Private Threads, Create Events.**" in words(page)
    assert "**I lack there: Manage Channels.**" in words(page)

    may(scene, permissions.asked_for())
    await grace.click(page, label="Look again")
    assert "I lack" not in words(page)


def may(scene: Scene, given: discord.Permissions) -> None:
    """What the bot is given in the whole server."""
    backend = scene.env.backend
    given |= scene.guild.me.guild.default_role.permissions
    for role in backend.get_guild(scene.guild.id).roles.values():
        if role.managed:
            backend.edit_role(scene.guild.id, role.id, {"permissions": given.value})


async def test_where_nobody_chose_and_the_settings_name_a_channel_by_its_id_that_is_said(
    scene: Scene,
) -> None:
    def said(guild: Any) -> str:
        server = setup_page.Server(guild.me.guild, GuildView(guild_id=guild.id))
        return words(setup_page.page(server, str(scene.channel.id), "https://example.org"))

    assert f"None chosen: they go to {scene.channel.mention}, as its id is in" in said(scene.guild)
    assert "None chosen, so there are none here." in said(scene.env.create_guild("Another"))


async def test_places_that_were_deleted_are_named(scene: Scene, grace: Any) -> None:
    news = scene.guild.create_text_channel("news")
    page = await opened(scene, grace)
    await choose(grace, page, "announcements_channel", news)

    scene.env.backend.delete_channel(news.id)
    await grace.click(page, label="Look again")

    assert "What was chosen has been deleted, so nothing is posted. Choose another." in words(page)
    assert "Say hello there" not in labels(page)


async def test_who_does_not_manage_the_server_changes_nothing_whatever_discord_lets_them_see(
    scene: Scene, grace: Any
) -> None:
    command = next(
        item for item in scene.env.backend.commands[None].values() if item["name"] == "setup"
    )
    assert int(command["default_member_permissions"]) == MANAGES.value
    assert "setup" not in scene.user.available_commands()  # in direct messages
    scene.guild.set_command_permissions(int(command["id"]), {scene.ada: True})

    refused = await scene.slash("setup")
    assert "Only who may manage this server sets it up" in refused.response.content

    page = await opened(scene, grace)
    staff = scene.guild.roles["staff"]
    scene.env.backend.edit_role(scene.guild.id, staff.id, {"permissions": 0})
    pressed = await choose(grace, page, "announcements_channel", scene.channel)
    assert "Only who may manage this server sets it up" in pressed.response.content
    assert (await guilds.of(scene.app, scene.guild.id)).changed_by is None


async def test_each_server_has_its_own_choices_and_they_are_in_the_audit_log(
    scene: Scene, grace: Any
) -> None:
    other = scene.env.create_guild("Another")
    away = other.create_text_channel("away")
    staff = other.create_role("staff", permissions=MANAGES)
    owner = other.add_member(scene.env.create_user("owner"), roles=[staff])

    await choose(grace, await opened(scene, grace), "announcements_channel", scene.channel)
    elsewhere = await owner.slash(away, "setup")
    await choose(owner, elsewhere.response, "announcements_channel", away)

    chosen = {view.guild_id: view.announcements_channel for view in await guilds.all_of(scene.app)}
    assert chosen == {scene.guild.id: scene.channel.id, other.id: away.id}
    async with scene.app.database.read() as connection:
        query = "SELECT target, detail FROM audit_log WHERE action = 'guild.change' ORDER BY id"
        rows = (await connection.execute(text(query))).all()
    assert [row.target for row in rows] == [f"guild:{scene.guild.id}", f"guild:{other.id}"]
    assert rows[1].detail == {"announcements_channel": away.id}


async def test_what_is_refused_is_not_shown_as_chosen_and_it_is_said_when_it_goes_on(
    scene: Scene, grace: Any
) -> None:
    other = scene.guild.create_text_channel("other")
    page = await opened(scene, grace)
    for nth in range(guilds.MOST_CHANGES):
        await choose(grace, page, "announcements_channel", (scene.channel, other)[nth % 2])
    drawn = len(scene.env.http_requests)

    pressed = await choose(grace, page, "announcements_channel", scene.channel)

    assert re.search(r"Try again <t:\d+:R>", told(pressed))
    again = [item.method for item in scene.env.http_requests[drawn:] if "@original" in item.path]
    assert again == ["PATCH"], "the menu is drawn again with what holds"
    assert f"Now: <#{other.id}>" in words(page)


# --- by itself ---------------------------------------------------------------------------------------


def system_channel(scene: Scene, guild: Any) -> Any:
    channel = guild.create_text_channel("general")
    scene.env.backend.edit_guild(guild.id, {"system_channel_id": channel.id})
    return channel


async def invited_again(scene: Scene, guild: Any) -> None:
    """The bot was in this server, is thrown out, and comes back."""
    backend = scene.env.backend
    backend.emit("GUILD_DELETE", {"id": str(guild.id)})
    await scene.env.settle()
    payload = dict(serializers.guild_create_payload(backend, guild._guild))
    del payload[
        "unavailable"
    ]  # with it Discord says that a server is there again, not that it is new
    backend.emit("GUILD_CREATE", payload)
    await scene.env.settle()


async def test_a_server_is_told_once_how_it_is_set_up_however_often_the_bot_is_invited(
    scene: Scene,
) -> None:
    silent, guild = scene.env.create_guild("Silent"), scene.env.create_guild("Another")
    general = system_channel(scene, guild)
    await invited_again(scene, silent)

    for _ in range(2):
        await invited_again(scene, guild)

    (message,) = general.history()
    assert "Whoever manages this server chooses with `/setup` where announcements go" in words(
        message
    )
    assert not message.mentions


async def test_a_server_that_does_not_let_it_speak_or_is_set_up_already_is_told_nothing(
    scene: Scene, grace: Any
) -> None:
    general = system_channel(scene, scene.guild)
    await choose(grace, await opened(scene, grace), "announcements_channel", general)
    await invited_again(scene, scene.guild)
    shut = scene.env.create_guild("Shut")
    closed = system_channel(scene, shut)
    deny(scene, closed, send_messages=True)
    await invited_again(scene, shut)

    assert general.history() == closed.history() == []


async def test_that_a_chosen_place_was_deleted_is_said_where_the_server_wants_such_messages(
    scene: Scene, grace: Any
) -> None:
    general = system_channel(scene, scene.guild)
    news, other = scene.guild.create_text_channel("news"), scene.guild.create_text_channel("other")
    contests = scene.guild.create_category("contests")
    page = await opened(scene, grace)
    await choose(grace, page, "announcements_channel", news)
    await choose(grace, page, "competitions_category", contests)

    for place in (other, news, contests):
        scene.env.backend.delete_channel(place.id)
        await scene.env.settle()

    channel, category = general.history()
    assert "The channel of my announcements has been deleted" in words(channel)
    assert "The category of the competitions has been deleted" in words(category)


# --- permissions elsewhere ---------------------------------------------------------------------------


async def test_who_gets_a_direct_message_for_want_of_a_thread_is_told_what_the_bot_lacks(
    scene: Scene,
) -> None:
    deny(scene, scene.channel, create_private_threads=True, attach_files=True)

    result = await scene.submit()

    assert "https://discord.com/channels/@me/" in result.response.content
    assert (
        "to make a thread for you here I lack Create Private Threads, Attach Files"
        in result.response.content
    )

    await preferences.switch(scene.app, await scene.own(), "direct")
    assert "I lack" not in (await scene.submit()).response.content


async def test_what_the_bot_lacks_to_share_a_result_is_named(scene: Scene) -> None:
    result = await scene.judged("test")
    deny(scene, scene.channel, embed_links=True)

    pressed = await scene.ada.click(result, label="Share")

    assert "I lack Embed Links. Share it in another channel." in pressed.response.content


def test_the_link_asks_for_what_the_docs_name_and_nothing_else() -> None:
    link = permissions.invite(1234)
    asked = discord.Permissions(int(re.findall(r"permissions=(\d+)", link)[0]))
    nothing = discord.Permissions.none()
    docs = (ROOT / "docs" / "running-the-bot.md").read_text()
    table = re.findall(r"^\| ([A-Z][A-Za-z ]+) \| .+ \| .+ \|$", docs, re.MULTILINE)

    assert "client_id=1234" in link
    assert "scope=bot+applications.commands" in link
    assert permissions.missing(asked, permissions.ALL) == ()
    assert asked.value.bit_count() == len(permissions.ALL)
    assert sorted(table) == sorted(permissions.missing(nothing, permissions.ALL))


def test_only_servers_are_asked_to_be_told_of_no_messages_and_no_members(simcord_bot: Bot) -> None:
    assert dict(simcord_bot.intents) == {**dict(discord.Intents.none()), "guilds": True}


# --- commands ----------------------------------------------------------------------------------------


async def test_commands_are_sent_when_their_definition_has_changed_and_at_no_other_start(
    scene: Scene,
) -> None:
    registered = scene.env.backend.commands[None]
    for key, command in registered.items():
        registered[key] = kept(command)
    assert "admin" in {name for name, _ in registered}
    await scene.env.restart_bot(again := Bot(scene.app))
    assert not await again.sync()

    for change in CHANGES:
        changed = Bot(scene.app)
        change(changed.tree)
        await scene.env.restart_bot(changed)
        assert await changed.sync(), change.__name__
        assert not await changed.sync(), change.__name__


def describe_otherwise(tree: Any) -> None:
    tree.get_command("help").description = "Something else"


def describe_an_option_of_a_subcommand_otherwise(tree: Any) -> None:
    first = next(item for item in tree.get_command("admin").commands if item.parameters)
    next(iter(first._params.values())).description = "Something else"


def offer_to_others(tree: Any) -> None:
    tree.get_command("setup").default_permissions = discord.Permissions(administrator=True)


def offer_to_administrators_alone(tree: Any) -> None:
    tree.get_command("setup").default_permissions = discord.Permissions.none()


def offer_to_everybody(tree: Any) -> None:
    tree.get_command("setup").default_permissions = None


def take_away(tree: Any) -> None:
    tree.remove_command("queue")


CHANGES = (
    describe_otherwise,
    describe_an_option_of_a_subcommand_otherwise,
    offer_to_others,
    offer_to_administrators_alone,
    offer_to_everybody,
    take_away,
)


# --- help --------------------------------------------------------------------------------------------


async def test_help_speaks_of_setup_and_admin_to_those_who_may_use_them(
    scene: Scene, grace: Any
) -> None:
    def speaks(shown: Any) -> list[str]:
        return [name for name in ("/setup", "/admin") if name in words(shown.response)]

    assert speaks(await scene.slash("help")) == []
    assert speaks(await grace.slash(scene.channel, "help")) == ["/setup"]

    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE users SET role = 'admin' WHERE name = 'grace'"))
    assert speaks(await grace.slash(scene.channel, "help")) == ["/setup", "/admin"]


async def test_a_hello_that_went_astray_is_said_when_the_bot_comes_again(scene: Scene) -> None:
    guild = scene.env.create_guild("Another")
    general = system_channel(scene, guild)
    scene.env.inject_error("POST", f"/channels/{general.id}/messages")

    await invited_again(scene, guild)
    assert general.history() == []

    await invited_again(scene, guild)
    assert len(general.history()) == 1


async def test_leave_that_the_bot_is_given_and_places_that_are_deleted_are_looked_at_soon_whatever_fails(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[int] = []
    monkeypatch.setattr(scene.bot.desk, "changed", lambda guild_id, *_: changed.append(guild_id))
    role = scene.guild.create_role("for bots")
    await scene.env.settle()
    changed.clear()

    user = {
        "id": str(scene.guild.me.id),
        "username": "TestBot",
        "discriminator": "0",
        "avatar": None,
    }
    update = {"guild_id": str(scene.guild.id), "user": user, "roles": [str(role.id)]}
    scene.bot._connection.parse_guild_member_update(update)  # type: ignore[arg-type]
    await scene.env.settle()
    assert changed == [scene.guild.id]

    scene.env.backend.edit_guild(scene.guild.id, {"name": "Renamed"})
    await scene.env.settle()
    assert len(changed) == 2

    async def fails(*_: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(guilds, "of", fails)
    scene.faults = 1
    scene.env.backend.delete_channel(scene.channel.id)
    await scene.env.settle()
    assert len(changed) == 3
