"""The contract of launchers, kept by an agent: a process of its own, over TLS, through queue and gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.launchers.contract import LauncherContract
from tests.runners.agents import Process, agent, joined, runner_token
from tests.runners.conftest import Site
from tests.runners.through import ThroughAgent

ATTEMPTS = 1
"""What fails by our fault is told as failed at once, so that it can be looked at."""


@pytest_asyncio.fixture(scope="module")
async def donor(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    token = await runner_token(site.app, "donor")
    state: Path = tmp_path_factory.mktemp("donor")
    async with agent(site.line, token, state, slots=2) as found:
        await joined(found)
        yield found


@pytest_asyncio.fixture
async def place(site: Site, donor: Process) -> AsyncIterator[ThroughAgent]:
    made = ThroughAgent(site.app, donor)
    yield made
    await made.close()


class TestAgent(LauncherContract):
    # Nobody holds a handle of its runs: the queue's leases bring them back (test_faults.py kills agents).
    test_a_run_whose_worker_is_killed_is_taken_over_or_begun_anew = None  # type: ignore[assignment]
    test_a_handle_of_another_launcher_is_nobodys_run = None  # type: ignore[assignment]
    # Of a stage's cases that follow each other closely only the last is passed on.
    every_step_is_told = False
