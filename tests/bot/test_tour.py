"""A walk through the bot as people see it: who takes part, who manages a server, who organizes. What they see is drawn.

``TOUR_PICTURES=docs/discord .venv/bin/python -m pytest tests/bot/test_tour.py`` draws the pictures of
``docs/discord.md`` anew, and writes the transcript beside them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.competition import Competition, Prize, Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.domain.people import Role
from kernelbot.judge.protocol import Event, Stage, VerdictKind
from kernelbot.services import dispatch, guilds, identity, invitations, logins, preferences, runners
from kernelbot.storage import people
from tests import factories
from tests.bot.conftest import BotProcess
from tests.conftest import ADMIN_TOKEN
from tests.fakes import discord_picture
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import Channel, Message, User
from tests.services.contest import HOUR, board, contest, now, published

PAGE = Path(__file__).parents[2] / "docs/discord.md"
FASTER = factories.CODE.replace(b"return torch.add", b"# one pass\n    return torch.add")
DAY = 24 * HOUR
NEXT = """
name: winter
title: Winter kernels
licence: MIT
gpus: [CPU]
problems:
  - {problem: vectoradd, leaderboard: winter-sum}
"""
BEFORE = (
    ("barbara", 93_000), ("edsger", 61_000), ("alan", 42_000), ("barbara", 31_000), ("grace", 26_400),
    ("alan", 24_300), ("grace", 21_000),
)  # fmt: skip
"""What others reached before, day by day."""


class Tour:
    """What one person does, and the pictures of what they see."""

    def __init__(self, discord: LoopbackDiscord, app: App, channel: Channel, who: User) -> None:
        self.discord, self.app, self.channel, self.who = discord, app, channel, who
        self.pictures: dict[str, str] = {}
        self.said: list[str] = []

    @property
    def names(self) -> dict[int, str]:
        channels = {item.id: f"#{item.name}" for item in self.discord.channels.values()}
        return channels | {user.id: user.shown for user in self.discord.users.values()}

    def draw(self, name: str, shown: Message, done: str) -> None:
        """``done``: what led to it."""
        self.pictures[name] = discord_picture.message(shown, self.names)
        self.said.append(f"--- {done}\n\n{discord_picture.text(shown, self.names)}")

    async def see(self, name: str, command: str, /, **options: str | int | Upload) -> Message:
        """Draw the answer to a command."""
        sent = await self.discord.slash(self.who, self.channel, command, **options)
        shown = await self.discord.answer(sent)
        self.draw(name, shown, sent.what)
        return shown

    async def press(self, message: Message, label: str) -> Message:
        return await self.discord.answer(await self.discord.press(self.who, message, label))

    async def submit(self, mode: str, code: bytes = factories.CODE) -> Message:
        """The answer, once it has the link to the card."""
        sent = await self.discord.slash(
            self.who, self.channel, "submit", file=Upload("kernel.py", code),
            leaderboard="vectoradd", gpu="CPU", mode=mode,
        )  # fmt: skip
        await self.discord.until(
            lambda: sent.original and "Follow it here" in sent.original.text(), "the link"
        )
        assert sent.original is not None
        return sent.original

    async def in_thread(self, words: str) -> Message:
        return await self._found(lambda: self.discord.threads_of(self.who), words)

    async def directly(self, words: str) -> Message:
        return await self._found(lambda: [self.discord.dm(self.who)], words)

    async def _found(self, places: Callable[[], list[Channel]], words: str) -> Message:
        def found() -> Message | None:
            for place in places():
                for message in reversed(self.discord.read(place, self.who)):
                    if words in message.text():
                        return message
            return None

        message = await self.discord.until(found, f"a message with {words!r}")
        assert isinstance(message, Message)
        return message


def championship() -> Competition:
    at = now()
    window = {"opens": at - 9 * DAY, "closes": at + 12 * DAY}
    return contest(
        board(points=100, **window),
        board("histogram", points=150, **window),
        title="Autumn kernels", host="The GPU club", **window,
        rules="One account a person. Share what you learn, not your code, until the end.",
        prizes=(Prize(prize="A GPU", place=1),), scoring=CompetitionScoring(),
        gpu_seconds_per_day={"CPU": 3600.0},
    )  # fmt: skip


def by_invitation() -> Competition:
    return contest(
        board("class-sum", problem="vectoradd"), name="class", title="A closed class",
        visibility=Visibility.INVITE,
    )  # fmt: skip


async def a_worker_lives(app: App) -> None:
    alive = uuid.UUID(int=1), "gpu-box-1", {"CPU": 2}
    await dispatch.heartbeat(app, *alive, {}, runners.own_judge(app), {})


async def what_came_before(app: App) -> None:
    for at, (name, ns) in enumerate(BEFORE):
        code = factories.CODE + f"# {at}\n".encode()
        who = await identity.person(app, "test", name, name, "api")
        await factories.ranked(app, who, ns, code)
    async with app.database.transaction() as connection:
        await connection.execute(
            text("UPDATE bests SET created_at = created_at - (9 - id) * interval '1 day'")
        )


async def finding_out(tour: Tour) -> None:
    await tour.see("help", "help")
    await tour.see("problem", "problem", name="vectoradd")
    admin = await identity.authenticate(tour.app, ADMIN_TOKEN, "api")
    code = (await invitations.create(tour.app, admin, "class", None, None)).code
    assert code is not None
    sent = await tour.discord.slash(tour.who, tour.channel, "join", code=code)
    tour.draw("join", await tour.discord.answer(sent), "/join code:(what its organizer gave)")


async def submitting(tour: Tour) -> None:
    app, discord = tour.app, tour.discord
    tour.draw("accepted", await tour.submit("ranked"), "/submit file:kernel.py mode:ranked")
    asked = await discord.slash(tour.who, tour.channel, "submit", mode="benchmark")
    await discord.until(lambda: asked.form, "the form")
    assert asked.form is not None
    tour.pictures["paste"] = discord_picture.form(asked.form)
    card = await tour.in_thread("in line")
    tour.draw("card-waiting", card, "in a private thread")
    await a_worker_lives(app)
    await tour.see("queue", "queue")
    held = await factories.claim_one(app)
    event = Event(kind="case", stage=Stage.CHECK, message="", done=3, total=5)
    await dispatch.progress(app, held, event)
    await discord.until(lambda: "3 of 5" in card.text(), "progress on the card")
    tour.draw("card-running", card, "the same card, later")
    assert await dispatch.finish(app, held, factories.make_verdict(ns=26_000))
    await tour.in_thread("#8 on vectoradd: passed")


async def results(tour: Tour) -> None:
    app, discord = tour.app, tour.discord
    await tour.submit("ranked", FASTER)
    await factories.judge_one(app, factories.make_verdict(ns=22_400))
    result = await tour.in_thread("#9 on vectoradd: passed")
    tour.draw("result", result, "the result")
    tour.draw("diff", await tour.press(result, "Diff to my best"), "[Diff to my best]")
    await tour.press(result, "Share")
    shared = [item for item in discord.read(tour.channel) if "shares #9" in item.text()]
    tour.draw("shared", shared[0], "[Share], in the channel")
    await tour.submit("test", b"import torch\n\ndef custom_kernel(data:\n")
    failed = dataclasses.replace(
        factories.make_verdict(VerdictKind.BUILD_FAILED, message="line 3: '(' was never closed"),
        stage=Stage.BUILD,
        cases=(),
    )
    await factories.judge_one(app, failed)
    tour.draw("failed", await tour.in_thread("#10 on vectoradd: failed"), "a failure")


async def looking_around(tour: Tour) -> None:
    await tour.see("leaderboard", "leaderboard", leaderboard="vectoradd", gpu="CPU")
    await tour.see("standings", "standings", competition="getting-started")
    await tour.see("submissions", "submissions")
    await tour.see("submission", "submission", id=9, compare=8)
    own = await identity.person(tour.app, "discord", str(tour.who.id), tour.who.shown, "discord")
    await preferences.switch(tour.app, own, "overtaken")
    await tour.see("me", "me")
    login = await logins.begin(tour.app, "kernelbot on adas-laptop")
    sent = await tour.discord.slash(tour.who, tour.channel, "link", code=login.code)
    tour.draw("link", await tour.discord.answer(sent), "/link code:(what the command line shows)")
    rival = await identity.person(tour.app, "test", "edsger", "edsger", "api")
    await factories.ranked(tour.app, rival, 21_700)
    tour.draw("notice", await tour.directly("passed you"), "a direct message that was asked for")


async def in_the_server(tour: Tour, announcements: Channel, category: Channel) -> None:
    discord = tour.discord

    def forum() -> Channel | None:
        inside = [item for item in discord.channels.values() if item.parent is category]
        return inside[0] if inside and len(discord.posts(inside[0])) == 3 else None

    found = await discord.until(forum, "a forum with its posts")
    posts = {post.name: discord.read(post)[0] for post in discord.posts(found)}
    listed = [
        (name, first.channel.tag_names, "Rules" in name, first.embeds[0]["description"].split("\n")[0][:80])
        for name, first in posts.items()
    ]  # fmt: skip
    tour.pictures["forum"] = discord_picture.forum(found.name, listed)
    tour.draw("rules", posts["Rules of Autumn kernels"], f"in the forum #{found.name}")
    live = posts["Vector addition"]
    await discord.until(lambda: "21.70 µs" in live.text(), "the card with what came last")
    tour.draw("live-card", live, f"in the forum #{found.name}")

    def told() -> Message | None:
        said = [item for item in discord.read(announcements) if "21.70 µs" in item.text()]
        return said[0] if said else None

    tour.draw("podium", await discord.until(told, "an announcement"), f"in #{announcements.name}")
    discord.managers.add(tour.who)
    await tour.see("setup", "setup")


async def organizing(tour: Tour) -> None:
    await deciding(tour)
    await tour.see("admin-competitions", "admin competition list")
    sent = Upload("autumn.yaml", NEXT.encode())
    await tour.see("admin-plan", "admin competition plan", file=sent)
    await tour.see(
        "admin-intake",
        "admin intake pause",
        gpu="CPU",
        reason="New drivers until 18:00 UTC.",
        hold=True,
    )
    form = await tour.discord.slash(tour.who, tour.channel, "admin announce")
    filled = await tour.discord.fill(form, text="The heats end on Sunday. Good luck!")
    tour.draw("admin-announce", await tour.discord.answer(filled), "/admin announce, its form sent")


async def deciding(tour: Tour) -> None:
    app = tour.app
    own = await identity.person(app, "discord", str(tour.who.id), tour.who.shown, "discord")
    async with app.database.transaction() as connection:
        await people.set_role(connection, own.user_id, Role.ADMIN.value)
    alan = await identity.person(app, "test", "alan", "alan", "api")
    await factories.submitted(app, alan, code=FASTER)
    doubtful = dataclasses.replace(
        factories.make_verdict(VerdictKind.QUARANTINED, ns=900), rule="clocks disagree",
        evidence="events say 0.9 µs, the outside clock 21 µs",
    )  # fmt: skip
    await factories.judge_one(app, doubtful)
    await tour.see("admin-quarantine", "admin quarantine")
    asked = await tour.see(
        "admin-void", "admin void", submission=7, reason="It is somebody else's."
    )
    await tour.discord.press(tour.who, asked, "Confirm")
    await tour.discord.until(lambda: not asked.buttons, "that it is done")
    await tour.see("admin-person", "admin person", person="grace")
    await a_worker_lives(app)
    await tour.see("admin-fleet", "admin fleet")
    await tour.see("admin-audit", "admin audit")


def written(tour: Tour) -> None:
    """Where that was asked for."""
    if folder := os.environ.get("TOUR_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, picture in tour.pictures.items():
            (Path(folder) / f"{name}.svg").write_text(picture)
        (Path(folder) / "transcript.txt").write_text("\n".join(tour.said))


async def test_every_card_is_drawn_and_shown_in_the_documents(
    discord: LoopbackDiscord, process: BotProcess, app: App, shelf: Path
) -> None:
    await published(app, shelf, championship(), by_invitation())
    guild = discord.guild()
    guild.features.append("COMMUNITY")
    discord.pace = False
    channel = discord.text_channel(guild, "submissions")
    announcements = discord.text_channel(guild, "announcements")
    category = discord.category(guild, "Competitions")
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await guilds.change(
        app, admin.user_id, guild.id,
        announcements_channel=announcements.id, competitions_category=category.id,
    )  # fmt: skip
    await what_came_before(app)
    await process.start()
    tour = Tour(discord, app, channel, discord.person(guild, "ada", "Ada"))

    await finding_out(tour)
    await submitting(tour)
    await results(tour)
    await looking_around(tour)
    await in_the_server(tour, announcements, category)
    await organizing(tour)

    written(tour)
    for name, picture in tour.pictures.items():
        ET.fromstring(picture)
        assert "&lt;@" not in picture, name
    shown = set(re.findall(r"\(discord/([\w-]+)\.svg\)", PAGE.read_text()))
    assert shown == set(tour.pictures)
    assert all((PAGE.parent / "discord" / f"{name}.svg").is_file() for name in shown)
    said = "\n".join(tour.said)
    assert not re.search(r"<[@#t]|\b\d{17,}\b", said), "what nobody would read"
