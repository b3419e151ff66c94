"""The bot as its own process, a Discord on loopback, a real database; the verdicts are ours to give."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import simcord

from kernelbot.app import App
from kernelbot.bot.client import Bot
from kernelbot.bot.errors import cause_of
from kernelbot.errors import Refused
from tests import programs
from tests.bot.scene import Scene
from tests.fakes.discord import LoopbackDiscord

READY_S = 300.0
ACKNOWLEDGE_S = 30.0
"""Discord waits three seconds, for which a busy machine may let a process not work at all. That nothing comes before
the acknowledgement is asserted of every command, button and form (test_failures.py)."""


class BotProcess:
    """``python -m kernelbot.bot``, to be started, killed and started again."""

    def __init__(self, discord: LoopbackDiscord, environment: dict[str, str], log: Path) -> None:
        self.discord = discord
        self.environment = environment
        self.log = log
        self.process: programs.Process | None = None

    async def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = await programs.start(
                "kernelbot.bot", env=self.environment, stderr=log, stdout=log
            )

    async def start(self) -> None:
        """Until it is at the gateway and its commands are registered."""
        await self.launch()
        process = self.process
        assert process is not None
        await self.discord.until(
            lambda: (
                process.returncode is not None
                or (self.discord.gateway.connected and self.discord.commands)
            ),
            "the bot is connected and its commands are registered",
            READY_S,
        )
        assert process.returncode is None, "the bot has ended"

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(120):
            return await self.process.wait()


@pytest_asyncio.fixture
async def discord(request: pytest.FixtureRequest) -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as made:
        made.acknowledge_s = ACKNOWLEDGE_S
        request.node.discord = made
        yield made
        made.assert_well_behaved()


@pytest_asyncio.fixture
async def process(
    discord: LoopbackDiscord, environment: dict[str, str], tmp_path: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[BotProcess]:  # fmt: skip
    """Not started yet, so that a test can arrange its Discord first."""
    made = BotProcess(discord, environment | discord.environment(), tmp_path / "bot.log")
    request.node.bot_log = made.log
    try:
        yield made
    finally:
        if made.process is not None:
            with contextlib.suppress(ProcessLookupError):
                await made.kill()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a command does is over when it is: a busy machine takes longer than simcord's five seconds."""
    for item in items:
        if "simcord_env" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.simcord(settle_timeout=60.0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed:
        if (discord := getattr(item, "discord", None)) is not None:
            report.sections.append(("what people saw in Discord", discord.transcript()))
            calls = "\n".join(f"{r.method} {r.path} {r.status} {r.note}" for r in discord.requests)
            report.sections.append(("calls of the bot", calls[-6000:]))
        if (log := getattr(item, "bot_log", None)) is not None and log.exists():
            report.sections.append(("the bot's log", log.read_text()[-6000:]))
    return report


@pytest.fixture
def simcord_bot(app: App) -> Bot:
    """The bot in this process, under a Discord that is simulated in it; without its loops."""
    return Bot(app)


@pytest_asyncio.fixture
async def scene(simcord_env: simcord.Env, simcord_bot: Bot, app: App) -> AsyncIterator[Scene]:
    guild = simcord_env.create_guild()
    channel = guild.create_text_channel("submissions")
    user = simcord_env.create_user("ada")
    ada = guild.add_member(user)
    await simcord_bot.sync()
    await simcord_bot.index.refresh()
    made = Scene(simcord_env, simcord_bot, app, guild, channel, ada, user)
    yield made
    ours = [error for error in simcord_env.errors if not isinstance(cause_of(error), Refused)]
    assert len(ours) == made.faults, ours
