"""The command line as processes of its own, against a server on a socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernelbot.app import App
from kernelbot.config import Settings
from tests import programs
from tests.api.conftest import token_of
from tests.api.serving import ROOT, Listening, listening
from tests.factories import CODE


@dataclass
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Started:
    """A command that runs."""

    def __init__(self, process: programs.Process) -> None:
        self.process = process
        self.err = ""

    async def says(self, words: str) -> None:
        """Wait until stderr says so."""
        assert self.process.stderr is not None
        async with asyncio.timeout(120):
            while words not in self.err:
                line = await self.process.stderr.readline()
                assert line, f"it ended without saying {words!r}:\n{self.err}"
                self.err += line.decode()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def ends(self) -> Outcome:
        out, err = await asyncio.wait_for(self.process.communicate(), 300)
        assert self.process.returncode is not None
        return Outcome(self.process.returncode, out.decode(), self.err + err.decode())


@dataclass
class CommandLine:
    """Runs ``kernelbot`` in a home of its own."""

    home: Path
    environment: dict[str, str]

    async def start(self, *arguments: str, **environment: str) -> Started:
        process = await programs.start(
            "kernelbot", *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment | environment,
            cwd=self.home,
        )  # fmt: skip
        return Started(process)

    async def __call__(self, *arguments: str, **environment: str) -> Outcome:
        return await (await self.start(*arguments, **environment)).ends()

    def write(self, name: str, content: bytes | str = CODE) -> str:
        path = self.home / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


@pytest.fixture
def plain(tmp_path: Path) -> CommandLine:
    """Signed in nowhere."""
    home = tmp_path / "home"
    home.mkdir()
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    environment = {
        **keep,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "KERNELBOT_DATA_DIR": str(home / "data"),
        "TERM": "dumb",
        "COLUMNS": "120",
    }
    return CommandLine(home, environment)


@pytest.fixture
def server(settings: Settings) -> Iterator[Listening]:
    with listening(settings) as started:
        yield started


@pytest_asyncio.fixture
async def kernelbot(app: App, server: Listening, plain: CommandLine) -> CommandLine:
    """Signed in as ada."""
    signed_in = {"KERNELBOT_URL": server.url, "KERNELBOT_TOKEN": await token_of(app, "ada")}
    return CommandLine(plain.home, plain.environment | signed_in)
