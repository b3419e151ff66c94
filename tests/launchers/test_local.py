"""The local launcher: the contract, and what only this machine can show."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from kernelbot.config import ROOT
from kernelbot.judge import staging
from kernelbot.judge.protocol import Event, Job, Stage, Tolerance, VerdictKind, dump
from kernelbot.launchers import local
from kernelbot.launchers.base import Package
from kernelbot.launchers.local import LocalLauncher
from tests.launchers.contract import (
    CORRECT,
    ENDLESS,
    LauncherContract,
    outcome,
    package,
)
from tests.patience import until
from tests.processes import alive, family, processes


@dataclass
class Here:
    launcher: LocalLauncher
    scratch: Path
    seen: list[int]

    @property
    def maker(self) -> functools.partial[LocalLauncher]:
        environment = {**os.environ, "TMPDIR": str(self.scratch)}
        return functools.partial(LocalLauncher, self.launcher.root, environment)

    def processes(self, marker: str) -> list[int]:
        for pid in processes(f"{self.launcher.root}/run-{marker}-"):
            self.seen += [found for found in family(pid) if found not in self.seen]
        return alive(self.seen)

    def remains(self) -> list[str]:
        return list_of(self.launcher.root) + list_of(self.scratch)


def list_of(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):  # or not any more
        return os.listdir(folder)
    return []


@contextlib.asynccontextmanager
async def launching(root: Path, *, warm: bool = False) -> AsyncIterator[Here]:
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)  # the contestant may be another user
        environment = {**os.environ, "TMPDIR": scratch}
        here = Here(LocalLauncher(root, environment, warm=warm), Path(scratch), [])
        yield here
        await here.launcher.close()


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Here]:
    async with launching(tmp_path / "runs") as here:
        yield here


class TestLocalLauncher(LauncherContract):
    async def test_a_referee_that_is_killed_alone_takes_its_contestant_along(
        self, place: Here
    ) -> None:
        launch = await place.launcher.start(package(ENDLESS))
        whole = await until(lambda: len(place.processes("7")) > 1 and place.processes("7"))
        referee = launch._process.pid  # type: ignore[attr-defined]
        assert referee in whole

        os.kill(referee, signal.SIGKILL)

        found = await outcome(launch)
        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert "without a verdict" in found.verdict.fault
        assert await until(lambda: not alive(whole))
        assert not list_of(place.launcher.root)

    async def test_a_referee_that_hangs_is_ended_while_its_events_are_read(
        self, place: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local, "STARTING_S", 0.5)
        monkeypatch.setattr(
            local.staging,
            "command",
            lambda _, **__: [sys.executable, "-c", "import time; time.sleep(600)"],
        )
        sent = package(CORRECT)
        limits = dataclasses.replace(sent.job.limits, build_s=0, check_s=0, measure_s=0)
        hasty = dataclasses.replace(sent, job=dataclasses.replace(sent.job, limits=limits))

        found = await outcome(await place.launcher.start(hasty))

        assert found.verdict.kind is VerdictKind.JUDGE_FAILED
        assert "did not end within" in found.verdict.fault

    async def test_what_a_judge_writes_that_is_no_event_is_passed_over(
        self, place: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = dump(Event(kind="stage", stage=Stage.CHECK))
        script = f"print('nonsense'); print('x' * 200_000); print({good!r}); print('{{}}')"
        monkeypatch.setattr(
            local.staging, "command", lambda _, **__: [sys.executable, "-c", script]
        )

        found = await outcome(await place.launcher.start(package(CORRECT)))

        assert found.events == [Event(kind="stage", stage=Stage.CHECK)]

    async def test_the_judge_learns_no_secret_of_the_worker(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = {
            **os.environ,
            "DATABASE_URL": "postgresql://secret",
            "DISCORD_TOKEN": "secret",
            "KERNELBOT_ADMIN_TOKEN": "secret",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        script = "import os, sys; sys.exit('secret' in str(os.environ))"
        monkeypatch.setattr(
            local.staging, "command", lambda _, **__: [sys.executable, "-c", script]
        )
        launcher = LocalLauncher(tmp_path, told, device_index=3)

        launch = await launcher.start(package(CORRECT))
        await outcome(launch)

        assert launch._process.returncode == 0  # type: ignore[attr-defined]
        assert launcher._seeing([3])["CUDA_VISIBLE_DEVICES"] == "3"

    @pytest.mark.parametrize(
        ("seen", "pinned", "both"),
        [("", "1", "0,1"), ("5,7", "7", "5,7"), ("GPU-a,GPU-b,GPU-c", "GPU-b", "GPU-a,GPU-b")],
    )
    def test_devices_are_pinned_among_those_the_worker_sees(
        self, seen: str, pinned: str, both: str
    ) -> None:
        launcher = LocalLauncher(Path("runs"), {"CUDA_VISIBLE_DEVICES": seen}, device_index=1)

        assert launcher._seeing([1])["CUDA_VISIBLE_DEVICES"] == pinned
        assert launcher._seeing([0, 1])["CUDA_VISIBLE_DEVICES"] == both

    async def test_a_job_for_more_devices_than_there_are_is_refused_before_anything_is_staged(
        self, tmp_path: Path
    ) -> None:
        launcher = LocalLauncher(tmp_path / "runs", os.environ, device_index=0)
        sent = package(CORRECT)
        job = dataclasses.replace(sent.job, world_size=2, device="cuda")

        with pytest.raises(ValueError, match="needs 2 devices at once, and this machine has one"):
            await launcher.start(dataclasses.replace(sent, job=job))

        assert list_of(tmp_path) == []

    async def test_ranks_share_a_processor(self, place: Here) -> None:
        sent = package(CORRECT)
        files = {
            path.name: path.read_bytes()
            for path in (ROOT / "tests/judge/problems/allreduce").iterdir()
        }
        code = (ROOT / "tests/judge/honest/ranks_allreduce.py").read_bytes()
        job = dataclasses.replace(
            sent.job, world_size=4, tests=({"n": 100},), contestant_files=(), native=(),
            tolerances=(Tolerance(rtol=1e-4, atol=1e-4),),
        )  # fmt: skip
        launch = await place.launcher.start(Package(job=job, problem_files=files, code=code))

        verdict = (await outcome(launch)).verdict

        assert verdict.passed, verdict.message + verdict.fault

    @pytest.mark.parametrize("name", ["CC", "CXX", "TORCH_CUDA_ARCH_LIST"])
    def test_what_the_worker_was_told_about_compilers_reaches_the_judge(self, name: str) -> None:
        assert LocalLauncher(Path("runs"), {name: "told"})._environment[name] == "told"

    async def test_a_package_that_cannot_be_staged_leaves_nothing(self, place: Here) -> None:
        sent = package(CORRECT)
        climbing = Package(job=sent.job, problem_files={"../x.py": b""}, code=sent.code)

        with pytest.raises(ValueError, match="not a path inside"):
            await place.launcher.start(climbing)

        assert place.remains() == []

    async def test_a_start_that_is_cancelled_leaves_nothing(
        self, place: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage, may_go_on = staging.stage, threading.Event()

        def slowly(directory: Path, job: Job, files: Mapping[str, bytes], code: bytes) -> None:
            may_go_on.wait(30)
            stage(directory, job, files, code)

        monkeypatch.setattr(staging, "stage", slowly)
        starting = asyncio.create_task(place.launcher.start(package(ENDLESS)))
        await until(lambda: list_of(place.launcher.root))

        starting.cancel()
        asyncio.get_running_loop().call_later(0.1, may_go_on.set)

        with pytest.raises(asyncio.CancelledError):
            await starting
        assert place.remains() == []
        assert await until(lambda: not processes(str(place.launcher.root)))

    async def test_a_place_that_cannot_be_written_is_an_os_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(OSError, match="file"):
            await LocalLauncher(tmp_path / "file" / "runs", os.environ).start(package(CORRECT))


async def worker_with_a_run(root: Path, *, warm: bool) -> asyncio.subprocess.Process:
    """A process that has begun an endless run,."""
    script = f"""
import asyncio, os
from pathlib import Path
from kernelbot.launchers.local import LocalLauncher
from tests.launchers.contract import ENDLESS, package

async def main():
    launcher = LocalLauncher(Path({str(root)!r}), os.environ, warm={warm})
    launch = await launcher.start(package(ENDLESS))
    async for event in launch.events():
        print("under way", flush=True)

asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    async with asyncio.timeout(120):
        assert await worker.stdout.readline() == b"under way\n"
    return worker


async def test_a_worker_that_is_killed_takes_referee_and_contestant_along(tmp_path: Path) -> None:
    worker = await worker_with_a_run(tmp_path, warm=False)
    whole = await until(lambda: len(found := family(worker.pid)[1:]) > 1 and found)

    worker.kill()
    await worker.wait()

    assert await until(lambda: not alive(whole))


async def test_what_a_killed_worker_left_on_disk_is_removed_by_the_next_and_no_living_ones(
    tmp_path: Path,
) -> None:
    killed = await worker_with_a_run(tmp_path, warm=False)
    (left,) = os.listdir(tmp_path)
    living = await worker_with_a_run(tmp_path, warm=False)
    (theirs,) = set(os.listdir(tmp_path)) - {left}
    killed.kill()
    await killed.wait()

    launcher = LocalLauncher(tmp_path, os.environ)
    await (await launcher.start(package(CORRECT))).verdict()

    assert os.listdir(tmp_path) == [theirs]
    living.kill()
    await living.wait()
