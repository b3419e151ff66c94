"""What every launcher must do. A launcher joins by a test module with a class that inherits
``LauncherContract`` and a fixture ``place`` that gives the launcher and ways to look at its side: a ``Place``.

One whose runs are not started by the worker's own process says in ``taken_over`` what a kill is there.
The judge is the real one: each test costs a start of Python and torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from kernelbot.config import ROOT
from kernelbot.domain.problem import Problem
from kernelbot.judge.protocol import Event, Limits, Mode, Stage, Verdict, VerdictKind, dump
from kernelbot.launchers.base import Launch, Launcher, Package
from kernelbot.services.catalog import load_problem
from tests.launchers.killed import SAYS
from tests.patience import until

PATIENCE_S = 120.0

CORRECT = b"""
import torch

def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
"""
WRONG = CORRECT.replace(b"torch.add", b"torch.sub")
ENDLESS = b"while True:\n    pass\n"
UNREADABLE = b"def custom_kernel(:\n"
FLOODING = b"""
import os

for _ in range(8):
    os.write(1, b"x" * (1 << 20))
os.abort()
"""


class Place(Protocol):
    """Where a launcher runs things, as a test may look at it."""

    launcher: Launcher

    @property
    def maker(self) -> Callable[[], Launcher]:
        """Makes this launcher in another process, as another worker would; to be pickled."""
        ...

    def processes(self, marker: str) -> list[int]:
        """Live processes of the run whose code carries this marker, the judge's own included."""
        ...

    def remains(self) -> list[str]:
        """Files and directories that runs have left."""
        ...


@functools.cache
def problem() -> Problem:
    return load_problem(ROOT / "problems" / "vectoradd")


def package(
    code: bytes, *, mode: Mode = Mode.TEST, run_id: str = "7", build_s: float = 60.0
) -> Package:
    """One small case a stage."""
    posed = problem()
    job = posed.job(run_id=run_id, mode=mode, device="cpu")
    small = dataclasses.replace(
        job,
        tests=job.tests[:2],
        benchmarks=job.benchmarks[:1],
        limits=Limits(build_s=build_s, check_s=30, measure_s=30),
    )
    return Package(job=small, problem_files=posed.judge_files, code=code)


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    events: list[Event]


async def outcome(launch: Launch) -> Outcome:
    async with asyncio.timeout(PATIENCE_S):
        events = [event async for event in launch.events()]
        return Outcome(await launch.verdict(), events)


async def begun_by_another(maker: Callable[[], Launcher], sent: Package) -> str:
    """Have another process start a run, and kill it; what the run is found by."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.launchers.killed", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018
    async with asyncio.timeout(PATIENCE_S):
        process.stdin.write(pickle.dumps((maker, sent)))
        process.stdin.close()
        while line := await process.stdout.readline():
            if line.startswith(SAYS):
                break
    process.kill()
    await process.wait()
    assert line, "the other worker ended by itself"
    return line.removeprefix(SAYS).decode().strip()


def kill_the_judge(pids: Iterable[int]) -> int:
    """Kill those of a run's processes that judge, not what watches over them; how many these are."""
    killed = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            if b"kernelbot.judge" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


class LauncherContract:
    async def taken_over(self, place: Place, sent: Package) -> Launch:
        """What the next worker has after the first one was killed with this run in its hands."""
        handle = await begun_by_another(place.maker, sent)
        found = await place.launcher.attach(sent, handle) if handle else None
        return found or await place.launcher.start(sent)

    every_step_is_told = True
    """Whether none is left out, however closely they follow each other."""

    async def test_a_correct_kernel_passes_step_by_step_with_times_and_where_they_come_from(
        self, place: Place
    ) -> None:
        found = await outcome(await place.launcher.start(package(CORRECT, mode=Mode.RANKED)))

        assert found.verdict.kind is VerdictKind.PASSED, found.verdict
        assert found.verdict.run_id == "7"
        assert len(found.verdict.measurements) == 1
        assert len(found.verdict.harness.judge_digest) == 64
        assert found.verdict.device.name
        order = [Stage.BUILD, Stage.CHECK, Stage.MEASURE]
        stages = [order.index(event.stage) for event in found.events]
        assert set(stages) == {0, 1, 2}
        assert stages == sorted(stages)
        for stage in (Stage.CHECK, Stage.MEASURE):
            cases = [e for e in found.events if e.stage is stage and e.kind == "case"]
            done, totals = [case.done for case in cases], [case.total for case in cases]
            total = totals[-1]
            assert totals == sorted(totals)  # a third process is added where two of them differ
            assert (
                done == list(range(1, total + 1)) if self.every_step_is_told else done[-1] == total
            )
        assert await until(lambda: not place.remains())

    canaries_travel = False
    """Whether each run gets another machine, on which its canary has to be judged beside it."""

    async def test_a_canary_is_judged_before_a_run_that_gets_another_machine_each_time(
        self, place: Place
    ) -> None:
        brought = package(WRONG, run_id="canary-of-7")
        sent = dataclasses.replace(package(CORRECT), canary=brought)

        launch = await place.launcher.start(sent)
        found = await outcome(launch)
        said = await launch.canary()
        await launch.close()

        assert (found.verdict.kind, found.verdict.run_id) == (VerdictKind.PASSED, "7")
        expected = ("canary-of-7", VerdictKind.WRONG_ANSWER) if self.canaries_travel else None
        assert (said and (said.run_id, said.kind)) == expected
        assert await until(lambda: not place.remains())

    async def test_the_files_of_a_profile_can_be_read_until_it_is_closed(
        self, place: Place
    ) -> None:
        launch = await place.launcher.start(package(CORRECT, mode=Mode.PROFILE))
        found = await outcome(launch)
        (item,) = found.verdict.artefacts

        content = b"".join([chunk async for chunk in launch.artefact(item.name)])
        await launch.close()
        await launch.close()

        assert len(content) == item.bytes
        assert place.remains() == []
        with pytest.raises(OSError, match=item.name):
            await anext(launch.artefact(item.name))

    async def test_what_nobody_closed_is_gone_with_the_launcher(self, place: Place) -> None:
        launch = await place.launcher.start(package(CORRECT, mode=Mode.PROFILE))
        assert (await outcome(launch)).verdict.artefacts

        await place.launcher.close()

        assert place.remains() == []

    async def test_a_wrong_kernel_is_told_so_without_times(self, place: Place) -> None:
        found = await outcome(await place.launcher.start(package(WRONG)))

        assert found.verdict.kind is VerdictKind.WRONG_ANSWER
        assert not all(case.ok for case in found.verdict.cases)
        assert found.verdict.measurements == ()

    async def test_a_submission_that_floods_and_dies_is_its_own_fault_and_its_words_are_bounded(
        self, place: Place
    ) -> None:
        found = await outcome(await place.launcher.start(package(FLOODING)))

        assert found.verdict.kind is VerdictKind.CRASHED, found.verdict
        assert len(dump(found.verdict)) < 1 << 20
        assert sum(len(event.message) for event in found.events) < 1 << 20
        assert await until(lambda: not place.remains())

    async def test_a_judge_that_is_killed_is_our_fault_and_takes_everything_along(
        self, place: Place
    ) -> None:
        launch = await place.launcher.start(package(ENDLESS))
        assert await until(lambda: len(place.processes("7")) > 1)

        await until(lambda: kill_the_judge(place.processes("7")))

        found = await outcome(launch)
        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert found.verdict.fault
        assert await until(lambda: not place.processes("7"))

    async def test_a_run_whose_worker_is_killed_is_taken_over_or_begun_anew(
        self, place: Place
    ) -> None:
        found = await outcome(await self.taken_over(place, package(UNREADABLE)))

        assert found.verdict.kind is VerdictKind.BUILD_FAILED, found.verdict
        assert found.verdict.run_id == "7"
        assert await until(lambda: not place.processes("7"))
        assert await until(lambda: not place.remains())

    async def test_a_handle_of_another_launcher_is_nobodys_run(self, place: Place) -> None:
        for handle in ("elsewhere:7", "", "modal:", "modal:../fc-1"):
            assert await place.launcher.attach(package(CORRECT), handle) is None

    async def test_an_endless_submission_is_timed_out_and_gone(self, place: Place) -> None:
        found = await outcome(await place.launcher.start(package(ENDLESS, build_s=2.0)))

        assert found.verdict.kind is VerdictKind.TIMED_OUT
        assert await until(lambda: not place.processes("7"))
        assert await until(lambda: not place.remains())

    async def test_what_is_cancelled_leaves_no_process_and_no_file(self, place: Place) -> None:
        launch = await place.launcher.start(package(ENDLESS))
        assert await until(lambda: len(place.processes("7")) > 1)

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(launch.cancel(), launch.cancel())
            verdict = await launch.verdict()
            await launch.cancel()

        assert verdict.kind is VerdictKind.JUDGE_FAILED
        assert await until(lambda: not place.processes("7"))
        assert place.remains() == []

    async def test_what_is_cancelled_at_once_never_raises(self, place: Place) -> None:
        launch = await place.launcher.start(package(CORRECT))

        async with asyncio.timeout(PATIENCE_S):
            await launch.cancel()
            found = await outcome(launch)

        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert await until(lambda: not place.processes("7"))
        assert place.remains() == []

    async def test_closing_ends_what_still_runs(self, place: Place) -> None:
        for run in ("8", "9"):
            await place.launcher.start(package(ENDLESS, run_id=run))
        assert await until(lambda: len(place.processes("8")) > 1)

        async with asyncio.timeout(PATIENCE_S):
            await place.launcher.close()

        for run in ("8", "9"):
            assert await until(lambda run=run: not place.processes(run))  # type: ignore[misc]
        assert place.remains() == []

    async def test_a_problem_that_breaks_is_our_fault_and_said_for_the_operator(
        self, place: Place
    ) -> None:
        sent = package(CORRECT)
        files = {**sent.problem_files, "reference.py": b"raise RuntimeError('broken')\n"}
        broken = Package(job=sent.job, problem_files=files, code=sent.code)

        found = await outcome(await place.launcher.start(broken))

        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert "broken" in found.verdict.fault
        assert "broken" not in found.verdict.message
