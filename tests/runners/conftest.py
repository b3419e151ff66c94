"""A server behind TLS for a whole module, and agents that are its own processes."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from kernelbot.app import App, build
from kernelbot.storage.database import driver_url
from tests.api.serving import Serving, serving
from tests.conftest import make_settings, process_environment
from tests.fakes.tls import Line, line_to


@dataclass
class Site:
    """A server, the way to it, and its database in this process."""

    app: App
    server: Serving
    line: Line


@pytest_asyncio.fixture(scope="module")
async def site(
    cluster: str,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Site]:
    """The API as a process, reached over TLS, on a database of the module's own."""
    server, _, _ = cluster.rpartition("/")
    name = f"runners_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(driver_url(f"{server}/postgres"))
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    await connection.close()
    folder = tmp_path_factory.mktemp(name)
    attempts = getattr(request.module, "ATTEMPTS", 5)
    every_s = getattr(request.module, "CANARY_S", 0.0)
    settings = make_settings(
        f"{server}/{name}", folder / "data", attempts=attempts, canary_s=every_s
    )
    environment = process_environment(settings) | {"KERNELBOT_ATTEMPTS": str(attempts)}
    async with (
        build(settings) as app,
        serving(environment, folder / "api.log") as api,
        line_to(int(api.url.rpartition(":")[2]), folder) as line,
    ):
        yield Site(app, api, line)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder for an agent; in sight of the users that submissions become."""
    made = tmp_path / "state"
    for folder in (made, *made.parents[:3]):
        folder.mkdir(exist_ok=True)
    return made
