"""What somebody sees who goes through the bot, drawn; and whether it is what was drawn before."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from kernelbot.app import App
from tests import factories
from tests.fakes import discord_picture
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import Channel, Message, User

TRANSCRIPT = "transcript.txt"
IMAGE = re.compile(r"data:image/png;base64,([\w+/=]+)")
SHADES = 2.0
"""Of 255, so much may images within drawings differ on average: edges come out a little different with another version
of what draws letters."""


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

    async def submit(
        self, mode: str, code: bytes = factories.CODE, *, board: str = "vectoradd", gpu: str = "CPU"
    ) -> Message:
        """The answer, once it has the link to the card."""
        sent = await self.discord.slash(
            self.who, self.channel, "submit", file=Upload("kernel.py", code),
            leaderboard=board, gpu=gpu, mode=mode,
        )  # fmt: skip
        await self.discord.until(
            lambda: sent.original and "Follow it here" in sent.original.text(), "the link"
        )
        assert sent.original is not None
        return sent.original

    async def in_thread(self, words: str) -> Message:
        return await self._found(lambda: self.discord.threads_of(self.who), words)

    async def posted(self, channel: Channel, words: str) -> Message:
        return await self._found(lambda: [channel], words)

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

    def files(self) -> dict[str, str]:
        """What was drawn and said, by the names of the files that have it."""
        drawn = {f"{name}.svg": picture for name, picture in self.pictures.items()}
        return drawn | {TRANSCRIPT: "\n".join(self.said)}


def write(folder: Path, drawn: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in drawn.items():
        (folder / name).write_text(content)


def outdated(folder: Path, drawn: dict[str, str]) -> list[str]:
    """The files in a folder that are not what is drawn now: others, missing, or drawn no more."""
    kept = {path.name: path.read_text() for path in folder.iterdir()}
    return sorted(
        name for name in kept.keys() | drawn.keys()
        if name not in kept or name not in drawn or not _alike(kept[name], drawn[name])
    )  # fmt: skip


def _alike(one: str, other: str) -> bool:
    images, others = IMAGE.findall(one), IMAGE.findall(other)
    same = IMAGE.sub("", one) == IMAGE.sub("", other) and len(images) == len(others)
    return same and all(map(_look_alike, images, others))


def _look_alike(one: str, other: str) -> bool:
    first, second = (Image.open(io.BytesIO(base64.b64decode(data))) for data in (one, other))
    if first.size != second.size:
        return False
    shades = ImageStat.Stat(ImageChops.difference(first.convert("RGB"), second.convert("RGB"))).mean
    return max(shades) <= SHADES
