"""A walk through the bot as one person sees it; what they see is drawn.

``TOUR_PICTURES=docs/discord .venv/bin/python -m pytest tests/bot/test_tour.py`` draws the pictures of
``docs/discord.md`` anew.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from kernelbot.app import App
from kernelbot.judge.protocol import Event, Stage, VerdictKind
from kernelbot.services import dispatch
from tests import factories
from tests.bot.conftest import BotProcess
from tests.fakes import discord_picture
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import Channel, Message, User

PAGE = Path(__file__).parents[2] / "docs/discord.md"
FASTER = factories.CODE.replace(b"return torch.add", b"# one pass\n    return torch.add")


class Tour:
    """What one person does, and the pictures of what they see."""

    def __init__(self, discord: LoopbackDiscord, app: App, channel: Channel, who: User) -> None:
        self.discord, self.app, self.channel, self.who = discord, app, channel, who
        self.pictures: dict[str, str] = {}

    def draw(self, name: str, shown: Message) -> None:
        names = {user.id: user.shown for user in self.discord.users.values()}
        self.pictures[name] = discord_picture.message(shown, names)

    async def command(self, command: str, /, **options: str | int | Upload) -> Message:
        sent = await self.discord.slash(self.who, self.channel, command, **options)
        return await self.discord.answer(sent)

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
        def found() -> Message | None:
            for thread in self.discord.threads_of(self.who):
                for message in reversed(self.discord.read(thread, self.who)):
                    if words in message.text():
                        return message
            return None

        message = await self.discord.until(found, f"a message with {words!r}")
        assert isinstance(message, Message)
        return message


async def walk(tour: Tour) -> None:
    app, discord = tour.app, tour.discord
    for name, ns in (("grace", 21_000), ("alan", 24_300), ("barbara", 24_310), ("edsger", 31_000)):
        await factories.ranked(app, await factories.make_actor(app, name), ns)
    tour.draw("help", await tour.command("help"))
    tour.draw("problem", await tour.command("problem", name="vectoradd"))
    tour.draw("accepted", await tour.submit("ranked"))
    card = await tour.in_thread("in line")
    tour.draw("card-waiting", card)
    held = await factories.claim_one(app)
    event = Event(kind="case", stage=Stage.CHECK, message="", done=3, total=5)
    await dispatch.progress(app, held, event)
    await discord.until(lambda: "3 of 5" in card.text(), "progress on the card")
    tour.draw("card-running", card)
    assert await dispatch.finish(app, held, factories.make_verdict(ns=26_000))
    await tour.in_thread("#5 on vectoradd: passed")
    await tour.submit("ranked", FASTER)
    await factories.judge_one(app, factories.make_verdict(ns=22_400))
    result = await tour.in_thread("#6 on vectoradd: passed")
    tour.draw("result", result)
    pressed = await discord.press(tour.who, result, "Diff to my best")
    tour.draw("diff", await discord.answer(pressed))
    pressed = await discord.press(tour.who, result, "Share")
    await discord.answer(pressed)
    shared = [item for item in discord.read(tour.channel) if "shares #6" in item.text()]
    tour.draw("shared", shared[0])
    await tour.submit("test", b"import torch\n\ndef custom_kernel(data:\n")
    failed = factories.make_verdict(
        VerdictKind.BUILD_FAILED, message="line 3: '(' was never closed"
    )
    await factories.judge_one(app, failed)
    tour.draw("failed", await tour.in_thread("#7 on vectoradd: failed"))
    tour.draw("leaderboard", await tour.command("leaderboard", leaderboard="vectoradd", gpu="CPU"))
    tour.draw("submissions", await tour.command("submissions"))
    tour.draw("me", await tour.command("me"))
    asked = await discord.slash(tour.who, tour.channel, "submit", mode="benchmark")
    await discord.until(lambda: asked.form, "the form")
    assert asked.form is not None
    tour.pictures["paste"] = discord_picture.form(asked.form)


def written(pictures: Mapping[str, str]) -> None:
    """Where that was asked for."""
    if folder := os.environ.get("TOUR_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            (Path(folder) / f"{name}.svg").write_text(picture)


async def test_every_card_is_drawn_and_shown_in_the_documents(
    discord: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    guild = discord.guild()
    channel = discord.text_channel(guild, "submissions")
    await process.start()
    tour = Tour(discord, app, channel, discord.person(guild, "ada", "Ada"))

    await walk(tour)

    written(tour.pictures)
    for name, picture in tour.pictures.items():
        ET.fromstring(picture)
        assert "&lt;@" not in picture, name
    shown = set(re.findall(r"\(discord/([\w-]+)\.svg\)", PAGE.read_text()))
    assert shown == set(tour.pictures)
    assert all((PAGE.parent / "discord" / f"{name}.svg").is_file() for name in shown)
