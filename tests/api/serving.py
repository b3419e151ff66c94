"""The API on a socket: as a process of its own, as it runs in production, or, for who only talks to it and has
nothing done to it, in a thread that is there at once."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import uvicorn

from kernelbot.api.application import create
from kernelbot.app import build
from kernelbot.config import Settings
from tests import programs
from tests.conftest import ADMIN_TOKEN, process_environment
from tests.ports import free_port

START_S = 300.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Listening:
    """A running server: where it listens, and the environment for other processes of its database."""

    url: str
    environment: dict[str, str]


@dataclass
class Serving(Listening):
    """One that is a process."""

    process: programs.Process
    log: Path

    async def stop(self, *, kill: bool = False) -> int:
        """End it as an operator would, or as a power cut would; its exit code."""
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 120)


@asynccontextmanager
async def serving(
    environment: Mapping[str, str], log: Path, *, port: int = 0, processes: int = 1
) -> AsyncIterator[Serving]:
    """A server that answers, until this is left. Its log is in ``log`` and in a failure's message."""
    chosen = port or free_port()
    own = {
        **environment,
        "KERNELBOT_PORT": str(chosen),
        "KERNELBOT_API_PROCESSES": str(processes),
        "PYTHONPATH": str(ROOT),
    }
    with log.open("ab") as output:
        process = await programs.start(
            "kernelbot.api", env=own, stdout=output, stderr=output, cwd=log.parent
        )
    server = Serving(f"http://127.0.0.1:{chosen}", own, process, log)
    try:
        await answers(server)
        yield server
    finally:
        if process.returncode is None:
            await server.stop()


@contextmanager
def listening(settings: Settings) -> Iterator[Listening]:
    """A server in a thread, with a loop and connections of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        own = settings.model_copy(update={"port": port})
        config = uvicorn.Config(
            create(lambda: build(own)), lifespan="on", ws="none", log_config=None, timeout_graceful_shutdown=3,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="api")
        thread.start()
        try:
            environment = process_environment(own) | {"PYTHONPATH": str(ROOT)}
            yield Listening(f"http://127.0.0.1:{port}", environment)
        finally:
            server.should_exit = True
            thread.join()


async def answers(server: Serving) -> None:
    """Wait until it is ready."""
    deadline = time.monotonic() + START_S
    async with httpx2.AsyncClient(base_url=server.url) as client:
        while time.monotonic() < deadline and server.process.returncode is None:
            try:
                if (await client.get("/v1/ready")).is_success:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"the API did not start:\n{server.log.read_text()[-4000:]}")


def signed_in(server: Serving, token: str = ADMIN_TOKEN) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=120)
