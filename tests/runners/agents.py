"""Agents as processes of their own, over TLS, as they run on other people's machines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernelbot.app import App
from kernelbot.services import identity, runners
from tests import programs
from tests.conftest import ADMIN_TOKEN
from tests.fakes.tls import Line
from tests.patience import until
from tests.processes import alive, family

ROOT = Path(__file__).resolve().parents[2]


async def runner_token(
    app: App, name: str, *, targets: Sequence[str] = ("CPU",), trusted: bool = False
) -> str:
    """Let a machine in."""
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    return (await runners.create(app, admin, name, targets, trusted=trusted)).secret


async def runner_view(app: App, name: str) -> runners.RunnerView:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    found = {view.name: view for view in await runners.listed(app, admin, revoked=True)}
    return found[name]


@dataclass
class Process:
    """An agent that runs."""

    process: programs.Process
    state: Path
    log: Path
    seen: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def family(self) -> list[int]:
        """It and everything that it has started and that has not ended."""
        self.seen += [pid for pid in family(self.pid) if pid not in self.seen]
        return alive(self.seen)

    def remains(self) -> list[str]:
        """Job directories."""
        place = self.state / "runs"
        return [path.name for path in place.iterdir()] if place.exists() else []

    def said(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def heard(self, words: str) -> bool:
        return any(words in line["event"] for line in self.said())

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 120)


@contextlib.asynccontextmanager
async def agent(
    line: Line,
    token: str,
    state: Path,
    *,
    slots: int = 1,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = (),
    more: Sequence[str] = (),
) -> AsyncIterator[Process]:
    """An agent with this token, until this is left; that of this tree, or what ``command`` starts."""
    secret, log = _prepared(state, token)
    arguments = [
        "--url", line.url, "--ca", str(line.ca), "--token-file", str(secret),
        "--state", str(state), "--cpu-slots", str(slots), "--drain-s", "30", *more,
    ]  # fmt: skip
    own = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    with log.open("wb") as output:
        if command:
            process: programs.Process = await asyncio.create_subprocess_exec(
                *command, *arguments, env=own, stdout=output, stderr=output, cwd="/"
            )
        else:
            process = await programs.start(
                "runners.agent", *arguments, env=own, stdout=output, stderr=output, cwd="/"
            )
    found = Process(process, state, log)
    try:
        yield found
    finally:
        if process.returncode is None:
            found.thaw()
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.1)
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 60)
            except TimeoutError:
                process.kill()
                await process.wait()


def _prepared(state: Path, token: str) -> tuple[Path, Path]:
    state.mkdir(parents=True, exist_ok=True)
    secret = state / "token"
    secret.write_text(token)
    return secret, state / "agent.log"


async def joined(found: Process) -> None:
    """Wait until it may take work."""
    await until(lambda: found.process.returncode is not None or found.heard("joined"), 300)
    assert found.process.returncode is None, found.log.read_text()[-4000:]
