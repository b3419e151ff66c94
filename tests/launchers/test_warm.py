"""The local launcher with a template process: the same contract, and what a template adds to it."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernelbot.judge.protocol import VerdictKind
from kernelbot.launchers import template
from tests.launchers.contract import CORRECT, ENDLESS, LauncherContract, outcome, package
from tests.launchers.test_local import (
    Here,
    launching,
    list_of,
    worker_with_a_run,
)
from tests.patience import until
from tests.processes import alive, family


@pytest_asyncio.fixture(scope="module")
async def warm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    """The launcher of all these tests: one template, which has imported torch. Closed, it starts anew when asked."""
    async with launching(tmp_path_factory.mktemp("warm") / "runs", warm=True) as here:
        yield here


@pytest_asyncio.fixture
async def place(warm: Here) -> AsyncIterator[Here]:
    yield dataclasses.replace(warm, seen=[])
    if warm.launcher._running:  # of a test that did not get to its end
        await warm.launcher.close()


def template_of(place: Here) -> int:
    kept = place.launcher._template
    assert kept is not None
    assert kept._current is not None
    return kept._current._process.pid


class TestWarmLauncher(LauncherContract):
    # Files of a profile are let go of by the same code (test_local.py).
    test_what_nobody_closed_is_gone_with_the_launcher = None  # type: ignore[assignment]

    async def test_runs_come_from_one_template_that_ends_with_the_launcher(
        self, place: Here
    ) -> None:
        place.launcher.open()
        pid = template_of(place)
        for _ in range(2):
            launch = await place.launcher.start(package(CORRECT))
            assert launch._process.pid in family(pid)  # type: ignore[attr-defined]
            found = await outcome(launch)
            assert found.verdict.kind is VerdictKind.PASSED, found.verdict

        await place.launcher.close()

        assert not alive([pid])

    async def test_a_template_that_is_killed_is_replaced_and_its_run_is_our_fault(
        self, place: Here
    ) -> None:
        launch = await place.launcher.start(package(ENDLESS))
        whole = await until(lambda: len(place.processes("7")) > 2 and place.processes("7"))
        first = template_of(place)

        os.kill(first, signal.SIGKILL)

        found = await outcome(launch)
        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert await until(lambda: not alive(whole))
        again = await outcome(await place.launcher.start(package(CORRECT)))
        assert again.verdict.kind is VerdictKind.PASSED, again.verdict
        assert template_of(place) != first

    async def test_another_judge_gets_another_template_and_the_old_one_ends_its_run(
        self, place: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = await place.launcher.start(package(CORRECT))
        first = template_of(place)
        monkeypatch.setattr(template, "judge_digest", lambda: "another")

        new = await place.launcher.start(package(CORRECT, run_id="8"))

        for launch in (old, new):
            found = await outcome(launch)
            assert found.verdict.kind is VerdictKind.PASSED, found.verdict
        assert template_of(place) != first
        assert await until(lambda: not alive([first]))

    async def test_without_a_template_a_referee_is_started_afresh(
        self, place: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise OSError("no more processes")

        monkeypatch.setattr(template, "_Connection", broken)

        found = await outcome(await place.launcher.start(package(CORRECT)))

        assert found.verdict.kind is VerdictKind.PASSED, found.verdict
        assert not list_of(place.launcher.root)

    async def test_a_referee_that_is_killed_is_our_fault_and_takes_its_contestant_along(
        self, place: Here
    ) -> None:
        launch = await place.launcher.start(package(ENDLESS))
        whole = await until(lambda: len(place.processes("7")) > 2 and place.processes("7"))

        os.kill(launch._process.pid, signal.SIGKILL)  # type: ignore[attr-defined]

        found = await outcome(launch)
        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert "without a verdict" in found.verdict.fault
        assert await until(lambda: not alive(whole))
        assert alive([template_of(place)])


async def test_a_worker_that_is_killed_takes_template_referee_and_contestant_along(
    tmp_path: Path,
) -> None:
    worker = await worker_with_a_run(tmp_path, warm=True)
    whole = await until(lambda: len(found := family(worker.pid)[1:]) > 3 and found)

    worker.kill()
    await worker.wait()

    assert await until(lambda: not alive(whole))
