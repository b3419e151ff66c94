"""The server's own processes end under load, with agents over TLS: nothing is lost, nothing happens twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from kernelbot.app import App, build, prepare
from kernelbot.errors import Unavailable
from kernelbot.storage.embedded import EmbeddedPostgres
from tests.api.serving import serving
from tests.conftest import make_settings, process_environment
from tests.factories import CODE, make_actor, submitted
from tests.fakes.tls import line_to
from tests.patience import until
from tests.ports import free_port
from tests.runners.agents import agent, joined, runner_token
from tests.runners.test_faults import ended, rows, verdicts

MANY = 6
"""Two are judged at once, and two may be on their way to be recorded."""


@dataclass
class Place:
    """A server on a Postgres of its own."""

    app: App
    postgres: EmbeddedPostgres
    folder: Path


@pytest_asyncio.fixture(scope="module")
async def place(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("restarts")
    postgres = EmbeddedPostgres(folder / "postgres", durable=False)
    async with postgres as url:
        settings = make_settings(url, folder / "data", problems_dir=shelf)
        await prepare(settings)
        async with build(settings) as app:
            yield Place(app, postgres, folder)


async def many(app: App) -> list[int]:
    ada = await make_actor(app)
    codes = [CODE + f"# {number}\n".encode() for number in range(MANY)]
    return [(await submitted(app, ada, mode="test", code=code)).id for code in codes]


async def under_way(app: App) -> bool:
    """Some are judged, some wait."""
    found = await rows(app, "SELECT status FROM runs")
    return {"done", "queued"} <= {row.status for row in found}


async def answers(app: App) -> bool:
    """Whether the database is there again for this process too."""
    try:
        return bool(await rows(app, "SELECT 1"))
    except Unavailable:
        return False


async def judged_once(app: App, ids: list[int]) -> None:
    for submission_id in ids:
        run = await ended(app, submission_id)
        assert (run.verdict, run.runner) == ("passed", "donor")
        assert await verdicts(app, submission_id) == 1
    assert await rows(app, "SELECT id FROM pgqueuer") == []


@pytest.mark.slow
async def test_api_and_postgres_restart_under_load_and_every_run_is_judged_once(
    place: Place,
) -> None:
    app, environment = place.app, process_environment(place.app.settings)
    token = await runner_token(app, "donor")
    port = free_port()
    async with (
        serving(environment, place.folder / "first.log", port=port) as server,
        line_to(port, place.folder) as line,
        agent(line, token, place.folder / "donor", slots=2) as donor,
    ):
        await joined(donor)

        first = await many(app)
        await until(lambda: under_way(app), 300)
        await server.stop(kill=True)
        async with serving(environment, place.folder / "second.log", port=port):
            await judged_once(app, first)

            second = await many(app)
            await until(lambda: under_way(app), 300)
            await place.postgres.stop()
            await place.postgres.start()
            await until(lambda: answers(app))
            await judged_once(app, second)
            assert donor.process.returncode is None
