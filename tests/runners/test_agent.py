"""The agent as a process of its own, over TLS, judging for real."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import ssl
import sys
import tarfile
from pathlib import Path

import httpx2
import pytest

from kernelbot.domain.submission import Status
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import submissions
from runners.agent.__main__ import demand_hidden
from runners.agent.wire import Gateway
from tests.factories import make_actor, submitted
from tests.patience import until
from tests.runners.agents import agent, joined, runner_token, runner_view
from tests.runners.conftest import Site

ALONE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Missing())
del sys.argv[1]
from runners.agent.__main__ import main
main()
"""
SERVER_ONLY = (
    "sqlalchemy", "asyncpg", "alembic", "pgqueuer", "fastapi", "starlette", "uvicorn", "pydantic",
    "pydantic_settings", "prometheus_client", "yaml", "typer", "rich", "modal", "discord",
)  # fmt: skip


async def test_a_machine_that_knows_a_token_and_has_no_server_package_judges_with_what_it_is_served(
    site: Site, state: Path
) -> None:
    app = site.app
    token = await runner_token(app, "donor")
    await served_program(site, token, state)
    command = (sys.executable, "-c", ALONE, ",".join(SERVER_ONLY))
    alone = {"PYTHONPATH": str(state / "program"), "PYTHONSAFEPATH": "1"}
    async with agent(site.line, token, state, command=command, environment=alone) as found:
        await joined(found)
        ada = await make_actor(app)
        view = await submitted(app, ada, mode="test")

        async def judged() -> object:
            run = (await submissions.submission(app, ada, view.id)).runs[0]
            return run if run.status is Status.DONE else None

        run = await until(judged, 300)

        assert run.kind is VerdictKind.PASSED, run.verdict
        there = await runner_view(app, "donor")
        assert (there.state, there.judged, there.isolation) == (
            "ready", 1, run.verdict.harness.isolation,
        )  # fmt: skip
        assert [device["name"] for device in there.devices] == [run.verdict.device.name]
        assert not (state / "trees").exists()  # it was of the server's version from the start
        assert await found.stop() == 0


async def served_program(site: Site, token: str, folder: Path) -> None:
    """What the second of the three lines does."""
    trusted = ssl.create_default_context(cafile=str(site.line.ca))
    async with httpx2.AsyncClient(base_url=site.line.url, verify=trusted) as client:
        headers = {"authorization": f"Bearer {token}"}
        answer = await client.get("/v1/runner/program", headers=headers)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(folder, filter="data")


@pytest.mark.parametrize(
    "place", [Path(sys.prefix), Path(sys.prefix) / "etc", Path("/etc"), Path("/usr/x")]
)
async def test_nothing_secret_may_lie_where_submissions_can_read(
    place: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(place)
    for shown in (place / "token", link / "token"):
        with pytest.raises(ValueError, match="submissions can read"):
            demand_hidden(shown)
    demand_hidden(tmp_path / "token")


@pytest.mark.parametrize(
    "url", ["http://kernels.example.org", "ftp://127.0.0.1", "kernels.example.org", ""]
)
async def test_a_token_is_sent_over_tls_or_to_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match="no https"):
        Gateway(url, "token")
    await Gateway("http://127.0.0.1:8000", "token").close()


async def test_a_state_folder_is_one_processs_own(site: Site, state: Path) -> None:
    held = os.open(state / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    async with agent(site.line, "any", state) as found:
        assert await asyncio.wait_for(found.process.wait(), 300) == 1
    assert "another one works in" in found.log.read_text()
    os.close(held)
