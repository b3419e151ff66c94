"""From ``/submit`` to the podium with every process by itself, each killed once on the way."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import pytest
import pytest_asyncio

from kernelbot.app import App
from tests import factories
from tests.bot.conftest import BotProcess
from tests.bot.test_wire import in_thread, nothing_waits, podiums, results
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.ports import free_port

WITHIN_S = 300.0
LEASE_S = 5.0  # many signs of life; and what the killed worker had is soon another's


class Service:
    """``python -m kernelbot.<name>``, to be killed and started again."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self._name, self._environment, self._log = name, environment, log
        self.port = environment["KERNELBOT_PORT"]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"kernelbot.{self._name}", env=self._environment,
                stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def judges(self) -> list[psutil.Process]:
        """Processes below it that judge."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "kernelbot.judge" in " ".join(child.cmdline()):
                    found.append(child)
        return found


@pytest_asyncio.fixture
async def services(
    environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[dict[str, Service]]:
    more = environment | {"KERNELBOT_PORT": str(free_port())}
    made = {name: Service(name, more, tmp_path / f"{name}.log") for name in ("api", "worker")}
    try:
        yield made
    finally:
        for service in made.values():
            if service.process is not None:
                await service.kill()


async def standing(port: str) -> str:
    """What the API tells of the leaderboard, once it answers."""
    url = f"http://127.0.0.1:{port}/v1/leaderboards/vectoradd/standings"
    async with httpx2.AsyncClient() as client, asyncio.timeout(WITHIN_S):
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                answer = await client.get(url, params={"gpu": "CPU"})
                if answer.status_code == 200:
                    return answer.text
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_submission_comes_through_the_death_of_every_process_on_its_way(
    discord: LoopbackDiscord, process: BotProcess, app: App, services: dict[str, Service]
) -> None:
    guild = discord.guild()
    channel = discord.text_channel(guild, "submissions")
    ada, eve = discord.person(guild, "ada"), discord.person(guild, "eve")
    worker, api = services["worker"], services["api"]
    await asyncio.gather(process.start(), worker.start(), api.start())

    sent = await discord.slash(
        ada, channel, "submit", file=Upload("kernel.py", factories.CODE), leaderboard="vectoradd",
        gpu="CPU", mode="ranked",
    )  # fmt: skip
    await discord.until(lambda: in_thread(discord, ada, "running"), "it runs", WITHIN_S)
    for judge in await discord.until(worker.judges, "it is judged", WITHIN_S):
        with contextlib.suppress(psutil.Error):
            judge.kill()
    await process.kill()
    await worker.kill()
    await api.kill()
    await asyncio.gather(process.start(), worker.start(), api.start())
    wrong = factories.CODE.replace(b"torch.add(a, b, out=out)", b"torch.sub(a, b, out=out)")
    await discord.slash(
        eve, channel, "submit", file=Upload("wrong.py", wrong), leaderboard="vectoradd", gpu="CPU"
    )

    await discord.until(lambda: results(discord, ada), "Ada's verdict", WITHIN_S)
    await discord.until(lambda: results(discord, eve), "Eve's verdict", WITHIN_S)
    (podium,) = await discord.until(lambda: podiums(discord, channel), "the podium", WITHIN_S)
    await nothing_waits(app)
    (passed,), (failed,) = results(discord, ada), results(discord, eve)
    card = in_thread(discord, ada, "passed")
    assert sent.original is not None
    assert "accepted" in sent.original.text()
    assert "Ranked 1st of 1" in passed.text()
    assert card is not None
    assert card.buttons == []
    assert "ada" in podium.text()
    assert "ada" in await standing(api.port)
    assert "Wrong answer" in failed.text()
    assert "Not ranked" in failed.text()
    assert not in_thread(discord, ada, "Wrong answer")
    assert all("wrong.py" not in item.text() for item in discord.read(channel, ada))
