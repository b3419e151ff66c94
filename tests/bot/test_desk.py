"""What a competition looks like in a server: the bot in this process, at a Discord on loopback, with a real database.

Its loops do not run: a test says when it looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import discord as library
import pytest
import pytest_asyncio
import yarl
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.bot import desk as looking
from kernelbot.bot import desk_posts, desk_things, setup_page
from kernelbot.bot.__main__ import end
from kernelbot.bot.client import Bot
from kernelbot.bot.messages import say
from kernelbot.domain.competition import Competition, Phase, Prize, Registration, Visibility
from kernelbot.domain.desk import CARD_EVERY
from kernelbot.services import desk as service
from kernelbot.services import guilds, identity, reveal
from tests import factories
from tests.bot.conftest import BotProcess
from tests.conftest import ADMIN_TOKEN
from tests.fakes import discord_world as shape
from tests.fakes.discord import LoopbackDiscord
from tests.fakes.discord_world import Channel, Guild, Message
from tests.services.contest import HOUR, board, contest, frozen, now, published

DAY = timedelta(days=1)


@dataclass
class Club:
    """A server with a category for competitions, and the bot in it."""

    app: App
    shelf: Path
    discord: LoopbackDiscord
    guild: Guild
    category: Channel
    bots: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> Bot:
        """Another bot at the gateway, with the account of the first."""
        bot = await self.bots.enter_async_context(Bot(self.app))
        await bot.login(self.discord.token)
        # The library waits that long for more servers than it was told of.
        bot._connection.guild_ready_timeout = 0.05
        connected = asyncio.create_task(bot.connect())
        self.bots.push_async_callback(end, connected)
        await bot.wait_until_ready()
        await self.discord.until(
            lambda: (
                len([it for it in bot.guilds if not it.unavailable]) == len(self.discord.guilds)
            ),
            "the bot knows its servers",
        )
        return bot

    async def publish(self, *competitions: Competition) -> None:
        await published(self.app, self.shelf, *competitions)

    async def choose(self, category: Channel | None) -> None:
        root = await identity.authenticate(self.app, ADMIN_TOKEN, "api")
        chosen = category.id if category is not None else None
        await guilds.change(self.app, root.user_id, self.guild.id, competitions_category=chosen)

    def forum(self, name: str = "getting-started") -> Channel:
        found = self.discord.forum_of(self.guild, name)
        assert found is not None, self.discord.transcript()
        return found

    def post(self, name: str) -> Channel:
        (found,) = (item for item in self.discord.posts(self.forum()) if item.name == name)
        return found

    def first(self, name: str) -> Message:
        """The first message of a post."""
        return self.discord.read(self.post(name))[0]

    def rules(self) -> Message:
        return self.first("Rules of A contest")

    def card(self) -> Message:
        return self.first("Vector addition")

    def beside_card(self) -> list[str]:
        """What is said in the post of the leaderboard, after the card."""
        return [message.text() for message in self.discord.read(self.post("Vector addition"))[1:]]

    def made(self) -> tuple[int, int, int]:
        """Channels in the category, posts, events."""
        inside = [
            item
            for item in self.discord.channels.values()
            if item.parent is self.category and not item.deleted
        ]
        posts = sum(len(self.discord.posts(item)) for item in inside)
        return len(inside), posts, len(self.discord.live_events(self.guild))

    def writes(self) -> int:
        """Calls that changed something, or tried to."""
        return sum(item.method != "GET" for item in self.discord.requests)


@pytest_asyncio.fixture
async def club(
    app: App, shelf: Path, discord: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Club]:
    monkeypatch.setattr(library.http.Route, "BASE", discord.api_url)
    gateway = library.gateway.DiscordWebSocket
    monkeypatch.setattr(gateway, "DEFAULT_GATEWAY", yarl.URL(discord.gateway_url))
    discord.pace = False
    guild = discord.guild()
    guild.features.append("COMMUNITY")
    made = Club(app, shelf, discord, guild, discord.category(guild, "Competitions"))
    async with made.bots:
        await made.choose(made.category)
        yield made


@pytest_asyncio.fixture
async def bot(club: Club) -> Bot:
    return await club.start()


async def later(app: App, statement: str, **values: Any) -> None:
    """By the clock of the database, which tests do not wait for."""
    async with app.database.transaction() as connection:
        await connection.execute(text(statement), values)


async def cards_may_be_edited(app: App) -> None:
    await later(app, "UPDATE desk_things SET next_at = now()")


async def turns_are_over(app: App) -> None:
    """Of bots that are gone."""
    await later(app, "UPDATE desks SET held_until = now(), due_at = now()")


def a_contest(**values: Any) -> Competition:
    at = now()
    described: dict[str, Any] = {
        "host": "The GPU club",
        "rules": "One account a person. @everyone",
        "opens": at - HOUR,
        "closes": at + 2 * DAY,
        "prizes": (Prize(prize="A GPU", place=1),),
        "registration": Registration(eligibility="Everybody"),
    }
    spec = board(opens=at - HOUR, closes=at + 2 * DAY)
    return contest(spec, **{**described, **values})


async def test_a_competition_gets_its_forum_with_rules_posts_tags_and_an_event(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest())
    await factories.ranked(app, await factories.make_actor(app, "@everyone **ada**"), 22_400)

    await bot.desk.see_to_all()

    assert club.made() == (1, 2, 1)
    forum, rules, card = club.forum(), club.rules(), club.card()
    assert (forum.type, forum.parent) == (shape.FORUM, club.category)
    assert rules.channel.flags & shape.PINNED_POST
    assert rules.channel.tag_names == card.channel.tag_names == ["open"]
    for words in (
        "The GPU club",
        "One account a person",
        "MIT",
        "<t:",
        "CPU",
        "A GPU",
        "`/submit`",
    ):
        assert words in rules.text()
    for words in ("`/problem name:vectoradd`", "CPU · 1 ranked", "22.40 µs ± 0.07", "ada"):
        assert words in card.text()
    assert rules.pings == card.pings == set()
    (event,) = club.discord.live_events(club.guild)
    assert (event.name, str(forum.id) in event.location) == ("A contest", True)
    assert (await service.status(app, club.guild.id))[0].trouble == ""

    before = club.writes()
    await bot.desk.see_to_all()
    await bot.desk.see_to_cards()
    assert club.writes() == before, "all is as it should be"


async def test_phases_have_events_that_follow_their_times_and_go_with_the_competition(
    club: Club, bot: Bot
) -> None:
    at = now()

    def described(shift: timedelta, **values: Any) -> Competition:
        return contest(
            board(opens=at - HOUR, closes=at + DAY, phase="qualifier"),
            board("matmul", opens=at + DAY + shift, closes=at + 2 * DAY + shift, phase="final"),
            phases=(Phase(name="qualifier"), Phase(name="final", title="The final")),
            **values,
        )

    await club.publish(described(HOUR))
    await bot.desk.see_to_all()
    first, final = club.discord.live_events(club.guild)
    assert (first.name, final.name) == ("A contest: qualifier", "A contest: The final")

    await club.publish(described(5 * HOUR))
    await bot.desk.see_to_all()
    assert club.discord.live_events(club.guild) == [first, final]
    assert final.starts == (at + DAY + 5 * HOUR).isoformat()
    assert final.ends == (at + 2 * DAY + 5 * HOUR).isoformat()
    assert club.post("Matrix multiplication").tag_names == ["closed"]

    forum, messages = club.forum(), (club.rules(), club.card())
    await club.publish(described(5 * HOUR, visibility=Visibility.PRIVATE))
    await bot.desk.see_to_all()
    assert club.made() == (1, 3, 0)
    for message in messages:
        assert "not on show any more" in message.text()
        assert message.channel.tag_names == ["closed"]
    named = [forum.name, forum.topic, *(item.channel.name for item in messages)]
    assert named == ["not-on-show", say("desk.hidden"), *2 * ["Not on show"]], (
        "names tell things too"
    )

    await club.publish(described(5 * HOUR))
    await bot.desk.see_to_all()
    assert club.made() == (1, 3, 2)
    assert "CPU" in club.card().text()
    assert club.card().channel.tag_names == ["open"]


async def test_what_not_everybody_may_see_is_shown_from_the_moment_it_is_public(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest(visibility=Visibility.INVITE, public_from=now() + DAY))
    await bot.desk.see_to_all()
    assert club.made() == (0, 0, 0)

    await later(app, "UPDATE competitions SET public_from = now()")
    await bot.desk.see_to_all()
    assert club.made() == (1, 2, 1)


async def test_the_window_flips_the_tag_and_reminders_come_once(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()

    async def tell() -> list[str]:
        bot.desk._planned = -1e9
        await bot.desk.see_to_all()
        while await bot.told.tell_due():
            pass
        return [item.text() for item in club.discord.read(club.rules().channel)[1:]]

    assert ["has opened" in words for words in await tell()] == [True]
    for left, words in (
        ("23 hours", "closes <t:"),
        ("50 minutes", "closes <t:"),
        ("-1 minute", "has closed"),
    ):
        await later(app, f"UPDATE leaderboards SET closes_at = now() + interval '{left}'")
        said = await tell()
        assert words in said[-1]
        assert await tell() == said
    assert len(said) == 4
    assert club.card().channel.tag_names == ["closed"]
    assert club.made() == (1, 2, 0), "it keeps its posts; the event is over"


async def test_cards_are_edited_in_place_coalesced_and_only_when_something_changed(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()
    await cards_may_be_edited(app)
    for name, ns in (("ada", 30_000), ("bob", 20_000)):
        await factories.ranked(app, await factories.make_actor(app, name), ns)

    twin = await club.start()
    for desk in (bot.desk, twin.desk, bot.desk):
        await desk.see_to_cards()

    (pause,) = await read(
        app, "SELECT extract(epoch FROM next_at - now()) FROM desk_things WHERE key LIKE 'board:%'"
    )
    assert 0 < pause[0] <= CARD_EVERY.total_seconds()
    await later(app, "UPDATE desk_things SET next_at = next_at + interval '10 minutes'")
    assert len(club.card().edits) == 1
    assert "2 ranked" in club.card().text()
    await factories.ranked(app, await factories.make_actor(app, "cy"), 10_000)
    await twin.desk.see_to_cards()
    assert len(club.card().edits) == 1, "not so soon after the last"
    club.post("Vector addition").archived = True
    await cards_may_be_edited(app)
    await twin.desk.see_to_cards()
    assert "3 ranked" in club.card().text()


async def test_a_freeze_is_kept_and_then_everything_is_revealed_beside_the_card(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(contest(board(freeze=frozen(begins=HOUR, ends=2 * HOUR))))
    await factories.ranked(app, await factories.make_actor(app, "bob"), 30_000)
    await bot.desk.see_to_all()
    await later(app, "UPDATE leaderboards SET frozen_from = now()")
    await factories.ranked(app, await factories.make_actor(app, "ada"), 22_400)
    await cards_may_be_edited(app)
    await bot.desk.see_to_cards()
    await bot.told.tell_due()

    assert "Frozen: what others reach is shown <t:" in club.card().text()
    assert "1 ranked" in club.card().text()
    assert "ada" not in club.card().text()
    assert club.beside_card() == []

    await later(app, "UPDATE leaderboards SET frozen_until = now()")
    await reveal.due(app)
    await cards_may_be_edited(app)
    await bot.desk.see_to_cards()
    await bot.told.tell_due()

    assert "2 ranked" in club.card().text()
    (said,) = club.beside_card()
    assert "1st: **ada** with 22.40 µs ± 0.07" in said


async def test_records_are_said_in_the_post_once_also_those_of_while_the_bot_was_away(
    club: Club, app: App
) -> None:
    await club.publish(a_contest())
    bot = await club.start()
    await bot.desk.see_to_all()
    await factories.ranked(app, await factories.make_actor(app, "bob"), 23_100)
    await factories.ranked(app, await factories.make_actor(app, "ada"), 22_400)  # nobody listens

    failure = club.discord.fail("POST", "/messages", "hang-after")
    at_work = asyncio.create_task(bot.told.tell_due())
    await club.discord.until(lambda: failure.hung and club.beside_card(), "the first")
    await end(at_work)
    await later(app, "UPDATE outbox SET due_at = now() WHERE delivered_at IS NULL")
    again = await club.start()
    await again.told.tell_due()

    first, second = sorted(club.beside_card(), key=lambda words: "record" in words)
    assert "**bob** is in **1st** place" in first
    assert "New record: **ada** took **1st** place with **22.40 µs ± 0.07**, −3.0 %" in second


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("POST", "/channels"),
        ("POST", "/threads"),
        ("POST", "/scheduled-events"),
    ],
)
async def test_a_bot_that_dies_between_making_and_noting_makes_nothing_twice(
    club: Club, app: App, method: str, part: str
) -> None:
    await club.publish(a_contest())
    first = await club.start()
    failure = club.discord.fail(method, part, "hang-after")
    at_work = asyncio.create_task(first.desk.see_to_all())
    await club.discord.until(lambda: failure.hung, f"{method} {part} is carried out")
    await end(at_work)

    second, made = await club.start(), club.made()
    await second.desk.see_to_all()
    assert club.made() == made, "the turn of the first is not over yet"
    await turns_are_over(app)
    await second.desk.see_to_all()

    assert club.made() == (1, 2, 1)


async def test_a_bot_process_shows_a_competition_by_itself(
    club: Club, process: BotProcess, app: App
) -> None:
    await club.publish(a_contest())
    await process.start()

    await club.discord.until(lambda: club.made() == (1, 2, 1), "everything")
    await factories.ranked(app, await factories.make_actor(app, "ada"), 22_400)
    await cards_may_be_edited(app)

    await club.discord.until(lambda: club.beside_card(), "the place in the post")
    await club.discord.until(lambda: "1 ranked" in club.card().text(), "the card")


async def test_two_bots_by_mistake_make_nothing_twice(club: Club) -> None:
    await club.publish(a_contest())
    one, two = await club.start(), await club.start()

    await asyncio.gather(*(bot.desk.see_to_all() for bot in (one, two, one, two)))

    assert club.made() == (1, 2, 1)


async def test_what_was_deleted_is_made_once_more_and_then_left_until_the_server_is_set_up_anew(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()
    made = club.card().channel

    async def removed(channel: Channel) -> None:
        await club.discord.remove(channel)
        heard = bot.desk._changed
        await club.discord.until(
            lambda: channel.id in heard.get(club.guild.id, ()), "the bot hears of it"
        )
        await bot.desk.see_to_all()

    await removed(made)
    again = club.card().channel
    assert again is not made
    await removed(again)
    assert club.made() == (1, 1, 1)
    (status,) = await service.status(app, club.guild.id)
    assert status.left_away == 1

    await club.choose(club.category)
    await bot.desk.see_to_all()
    assert club.made() == (1, 2, 1)

    await removed(club.forum())
    assert club.made() == (1, 2, 1), "with all that was in it"


async def test_a_forum_that_was_deleted_while_the_bot_was_away_is_made_anew(
    club: Club, app: App
) -> None:
    await club.publish(a_contest())
    bot = await club.start()
    await bot.desk.see_to_all()
    await bot.close()
    await club.discord.remove(club.forum())
    await club.publish(a_contest(title="Renamed"))

    again = await club.start()
    for _ in range(3):
        await again.desk.see_to_all()

    assert club.made() == (1, 2, 1)
    (status,) = await service.status(app, club.guild.id)
    assert (status.trouble, status.left_away) == ("", 0)


async def test_a_deleted_card_is_sent_anew_into_its_post(club: Club, bot: Bot, app: App) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()
    club.card().deleted = True
    await factories.ranked(app, await factories.make_actor(app, "ada"), 22_400)
    await cards_may_be_edited(app)

    await bot.desk.see_to_cards()
    await bot.desk.see_to_all()

    assert "1 ranked" in club.card().text()
    assert club.card().pinned
    assert club.made() == (1, 2, 1)


async def test_what_the_bot_lacks_is_told_to_the_organizers_and_tried_seldom(
    club: Club, bot: Bot, app: App
) -> None:
    club.category.denied = shape.MANAGE_CHANNELS
    await bot_hears_of(club, bot, club.category)
    await club.publish(a_contest())

    for _ in range(3):
        await bot.desk.see_to_all()
    (status,) = await service.status(app, club.guild.id)
    assert "In #Competitions the bot lacks Manage Channels." in status.trouble
    assert club.writes() == 0, "nothing was tried that cannot work"
    guild = bot.get_guild(club.guild.id)
    assert guild is not None
    server = setup_page.Server(guild, await guilds.of(app, guild.id))
    (*_, wrong) = setup_page.page(server, "", "", [status]).embeds[0].fields
    assert "**getting-started**: In #Competitions the bot lacks" in (wrong.value or "")

    club.category.denied = 0
    await bot_hears_of(club, bot, club.category)
    await club.discord.until(lambda: bot.desk._changed, "the bot hears of it")
    await bot.desk.see_to_all()
    assert club.made() == (1, 2, 1)
    assert (await service.status(app, club.guild.id))[0].trouble == ""

    club.category.deleted = True
    await club.discord.gateway.dispatch(
        "CHANNEL_DELETE", club.discord.channel_payload(club.category)
    )
    await club.publish(a_contest(title="Renamed"))
    await bot.desk.see_to_all()
    (status,) = await service.status(app, club.guild.id)
    assert "The category for competitions is gone" in status.trouble


async def bot_hears_of(club: Club, bot: Bot, channel: Channel, kind: str = "CHANNEL") -> None:
    payload = club.discord.channel_payload(channel)
    await club.discord.gateway.dispatch(f"{kind}_UPDATE", payload)
    (session,) = club.discord.gateway.sessions.values()
    await club.discord.until(lambda: bot.ws.sequence == session.sequence, "the bot hears of it")
    await asyncio.sleep(0.05)  # and does what it does at once


async def test_an_event_of_somebody_else_is_never_taken_for_ours(club: Club, bot: Bot) -> None:
    await club.publish(a_contest())
    mark = desk_posts.mark(club.discord.bot.id, "getting-started", "")
    starts, ends = (str(now() + hours * HOUR) for hours in (1, 2))
    eve = club.discord.person(club.guild, "eve")
    theirs = shape.Event(
        club.discord.snowflake(),
        club.guild,
        eve,
        "Free GPUs",
        f"Here!\n{mark}",
        "here",
        starts,
        ends,
    )
    club.discord.events[theirs.id] = theirs

    await bot.desk.see_to_all()

    names = [event.name for event in club.discord.live_events(club.guild)]
    assert sorted(names) == ["A contest", "Free GPUs"]


async def test_without_leave_to_make_events_everything_else_is_there(club: Club, app: App) -> None:
    club.guild.denied = shape.CREATE_EVENTS
    bot = await club.start()
    await club.publish(a_contest())

    await bot.desk.see_to_all()

    assert club.made() == (1, 2, 0)
    (status,) = await service.status(app, club.guild.id)
    assert "the bot lacks Create Events" in status.trouble


async def test_a_server_that_is_no_community_has_a_channel_with_threads(
    club: Club, app: App
) -> None:
    club.guild.features.clear()
    bot = await club.start()
    await club.publish(a_contest())

    failure = club.discord.fail("POST", "/messages", "500-after")
    while failure.times or club.made() != (1, 1, 1):
        await turns_are_over(app)
        await bot.desk.see_to_all()
    channel = club.forum()
    assert channel.type == shape.TEXT
    rules, card = club.discord.read(channel)
    assert rules.pinned
    assert card.pinned
    assert "Rules" not in card.text()

    await factories.ranked(app, await factories.make_actor(app, "ada"), 22_400)
    await cards_may_be_edited(app)
    await bot.desk.see_to_cards()
    await bot.told.tell_due()
    assert "1 ranked" in card.text()
    (thread,) = club.discord.posts(channel)
    assert "**ada** is in **1st** place" in club.discord.read(thread)[0].text()


async def test_a_new_name_and_new_words_are_written_in_place(club: Club, bot: Bot) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()
    rules, made = club.rules(), club.made()

    await club.publish(a_contest(title="The contest", rules="Two accounts a person."))
    await bot.desk.see_to_all()

    assert rules.channel.name == "Rules of The contest"
    assert "Two accounts a person." in rules.text()
    assert "The contest" in club.forum().topic
    assert club.made() == made

    other = club.discord.category(club.guild, "Archive")
    await club.discord.gateway.dispatch("CHANNEL_CREATE", club.discord.channel_payload(other))
    await club.discord.until(lambda: library.utils.get(bot.get_all_channels(), id=other.id), "it")
    forum = club.forum()
    await club.choose(other)
    await bot.desk.see_to_all()
    assert forum.parent is other

    await club.choose(None)
    await bot.desk.see_to_all()
    assert "not on show any more" in rules.text()
    assert len(club.discord.posts(forum)) == 2, "what people said there stays"
    assert club.discord.live_events(club.guild) == []


async def test_an_edit_that_arrives_late_neither_shows_what_is_hidden_nor_hides_what_is_shown(
    club: Club, bot: Bot, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edit of a card is held up, before Discord has it or before we note it, while its post is seen to."""

    async def held_up(place: Any, name: str) -> tuple[asyncio.Event, asyncio.Task[int]]:
        await cards_may_be_edited(app)
        await factories.ranked(app, await factories.make_actor(app), 22_400)
        go_on, held, real = asyncio.Event(), asyncio.Event(), getattr(place, name)

        async def slow(*values: Any) -> None:
            if not held.is_set():
                held.set()
                await go_on.wait()
            await real(*values)

        monkeypatch.setattr(place, name, slow)
        edit = asyncio.create_task(bot.desk.see_to_cards())
        await held.wait()
        return go_on, edit

    shown, hidden = a_contest(), a_contest(visibility=Visibility.PRIVATE)
    await club.publish(shown)
    await bot.desk.see_to_all()
    card = club.card()

    go_on, edit = await held_up(desk_things, "edit")
    await club.publish(hidden)
    await bot.desk.see_to_all()
    assert "not on show" in card.text(), "at once"
    go_on.set()
    await edit
    assert "1 ranked" in card.text()
    await bot.desk.see_to_all()
    assert "not on show" in card.text()

    await club.publish(shown)
    await bot.desk.see_to_all()
    go_on, edit = await held_up(service, "card_shown")
    await club.publish(hidden)
    await bot.desk.see_to_all()
    go_on.set()
    await edit
    await club.publish(shown)
    await bot.desk.see_to_all()
    assert "2 ranked" in card.text()


async def test_a_turn_is_held_anew_before_each_step_and_notes_what_changes_in_it(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()
    guild_id, home = club.guild.id, club.forum().id

    async def desk() -> service.DeskView:
        (found,) = await service.survey(app, [guild_id])
        return found

    turn = await service.take(app, await desk())
    assert turn is not None
    await later(app, "UPDATE desks SET held_until = now() + interval '29 seconds'")
    await service.again(app, turn)
    await later(app, "UPDATE desks SET held_until = held_until - interval '30 seconds'")
    await service.again(app, turn)
    await service.look_again(app, guild_id, [1])
    await service.leave(app, turn, "trouble", lasts=True, compared=True)
    assert not (await desk()).free
    assert not (await desk()).compares, "that was elsewhere"
    assert await service.take(app, turn.desk) is None, "it has been left alone since it was read"

    await turns_are_over(app)
    turn = await service.take(app, await desk())
    assert turn is not None
    await service.look_again(app, guild_id, [home])
    await service.leave(app, turn, "trouble", lasts=True, compared=True)
    assert (await desk()).free
    assert (await desk()).compares

    turn = await service.take(app, await desk())
    assert turn is not None
    await later(app, "UPDATE desks SET held_until = now()")
    with pytest.raises(service.NotOurs):
        await service.again(app, turn)


async def test_a_server_that_hangs_holds_up_no_other(
    club: Club, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PATIENCE_S", 30.0)
    other = club.discord.guild("Another")
    other.features.append("COMMUNITY")
    category = club.discord.category(other, "Competitions")
    bot = await club.start()
    await club.publish(a_contest())
    failure = club.discord.fail("POST", f"/guilds/{club.guild.id}/channels", "hang")
    await bot.desk._look()
    await club.discord.until(lambda: failure.hung, "one hangs")

    root = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await guilds.change(app, root.user_id, other.id, competitions_category=category.id)
    await bot.desk._look()
    await club.discord.until(
        lambda: club.discord.forum_of(other, "getting-started"), "the other goes on"
    )
    await end(*bot.desk._seen_to.values(), *bot.desk._edited.values())


async def test_what_fails_is_tried_less_and_less_often_and_stops_nothing_else(
    club: Club, bot: Bot, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = desk_things.Workplace._make_post

    async def make(self: desk_things.Workplace, key: str, shown: str) -> None:
        if key == "rules":
            raise KeyError("unforeseen")
        await real(self, key, shown)

    with monkeypatch.context() as broken:
        broken.setattr(desk_things.Workplace, "_make_post", make)
        await club.publish(a_contest())
        await bot.desk.see_to_all()
    assert club.made() == (1, 1, 1)
    (status,) = await service.status(app, club.guild.id)
    assert "Something failed on our side (`" in status.trouble

    await factories.ranked(app, await factories.make_actor(app), 22_400)
    pauses = []
    for kind, code in (("400", 0), ("403", 50001), ("403", 50001)):
        await cards_may_be_edited(app)
        club.discord.fail("PATCH", "/messages/", kind, code=code)
        await bot.desk.see_to_cards()
        (row,) = await read(
            app,
            "SELECT extract(epoch FROM t.next_at - now()) AS card, d.due_at > now() AS rests"
            " FROM desk_things t JOIN desks d USING (guild_id, competition_id)"
            " WHERE t.key LIKE 'board:%'",
        )
        pauses.append(math.ceil(row.card / 10) * 10)  # some of it has passed
        assert row.rests, "as long as after its own trouble"
    assert pauses == [30, 60, 120]

    await turns_are_over(app)
    await bot.desk.see_to_all()
    assert club.made() == (1, 2, 1)


async def read(app: App, query: str) -> list[Any]:
    async with app.database.read() as connection:
        return list((await connection.execute(text(query))).all())


async def test_a_server_that_shows_nothing_any_more_is_told_nothing(
    club: Club, bot: Bot, app: App
) -> None:
    await club.publish(a_contest())
    await bot.desk.see_to_all()
    await club.choose(None)
    await factories.ranked(app, await factories.make_actor(app), 22_400)
    await bot.told.tell_due()

    assert club.beside_card() == []


async def test_comparing_reads_a_server_once_and_keeps_the_tags_that_people_set(
    club: Club, bot: Bot, app: App
) -> None:
    at = now()
    times = {"opens": at - HOUR, "closes": at + DAY}
    await club.publish(
        contest(board(**times), board("matmul", **times)),
        contest(board("again", problem="vectoradd", **times), name="second", title="Second"),
    )
    await bot.desk.see_to_all()
    await bot.desk.see_to_all()
    for post in club.discord.posts(club.forum()):
        post.archived = True
    forum, post = club.forum(), club.card().channel
    forum.tags.append({**forum.tags[0], "id": "77", "name": "help"})
    post.applied.append("77")
    for channel in (forum, post):
        await bot_hears_of(club, bot, channel, "THREAD" if channel is post else "CHANNEL")
    bot.desk._changed.clear()
    await later(app, "UPDATE desks SET compared_at = now() - interval '11 minutes'")
    before = len(club.discord.requests)
    await bot.desk.see_to_all()

    asked = [item.path.rpartition("/")[2] for item in club.discord.requests[before:]]
    assert sorted(asked) == ["active", "channels", "public", "scheduled-events"]

    await later(app, "UPDATE leaderboards SET closes_at = now() - interval '1 hour'")
    await bot.desk.see_to_all()
    assert post.tag_names == ["closed", "help"]
    await later(app, "UPDATE desks SET compared_at = now() - interval '11 minutes'")
    assert not any(item.compares for item in await service.survey(app, [club.guild.id]))
