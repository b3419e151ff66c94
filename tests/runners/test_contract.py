"""The contract of launchers, kept by an agent: a process of its own, over TLS, through queue and gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernelbot.judge.protocol import Mode, Stage
from tests.launchers.contract import CORRECT, LauncherContract, Place, outcome, package
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

    async def test_steps_come_in_the_order_of_the_stages(self, place: Place) -> None:
        found = await outcome(await place.launcher.start(package(CORRECT, mode=Mode.BENCHMARK)))

        # Of a stage's cases that follow each other closely only the last is passed on.
        order = [Stage.BUILD, Stage.CHECK, Stage.MEASURE]
        stages = [order.index(event.stage) for event in found.events]
        assert set(stages) == {0, 1, 2}
        assert stages == sorted(stages)
        for stage in (Stage.CHECK, Stage.MEASURE):
            cases = [e for e in found.events if e.stage is stage and e.kind == "case"]
            assert (cases[-1].done, cases[-1].total) == (cases[-1].total, cases[0].total)
