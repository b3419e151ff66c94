"""Workers that call Modal and end before the call does: by a signal, a kill, a freeze, or a word."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.config import ROOT
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.judge import parcels
from kernelbot.judge.protocol import Verdict, VerdictKind, dump, judge_digest
from kernelbot.launchers import modal
from kernelbot.launchers.base import Package
from kernelbot.launchers.modal import ModalLauncher
from kernelbot.services import dispatch, standings, submissions, submit
from kernelbot.services.views import RunView
from kernelbot.worker import Slot, Worker
from tests import programs
from tests.factories import (
    claim_one,
    lost_by_its_holder,
    make_actor,
    make_verdict,
    submitted,
)
from tests.fakes.modal import TOKEN, Call, FakeModal, serving
from tests.patience import until

PATIENCE_S = 300.0


@dataclasses.dataclass
class Scene:
    """A submission whose run is called, and containers that are the test's to play."""

    app: App
    fake: FakeModal
    ada: Actor
    submission_id: int
    environment: dict[str, str]
    slots: int = 1

    @property
    def calls(self) -> list[Call]:
        return list(self.fake.servicer.calls.values())

    async def run(self) -> RunView:
        (run,) = (await submissions.submission(self.app, self.ada, self.submission_id)).runs
        return run

    async def is_(self, status: Status, attempt: int = 1) -> RunView:
        async def found() -> RunView | None:
            run = await self.run()
            return run if (run.status, run.attempt) == (status, attempt) else None

        seen: RunView = await until(found, PATIENCE_S)
        return seen

    async def taken_over(self) -> None:
        """By the worker that there is, of one that is heard of no more."""
        await lost_by_its_holder(self.app, (await self.run()).id)

    async def called(self, times: int = 1) -> None:
        """Until so many calls were made and the last is written down."""
        last = f"modal:fc-{times - 1}"

        async def written() -> bool:
            async with self.app.database.read() as connection:
                return bool(
                    (await connection.execute(text("SELECT handle FROM runs"))).scalar() == last
                )

        assert await until(written, PATIENCE_S)
        assert len(self.calls) == times

    async def answer(self, call: Call, device: str = "NVIDIA H100 80GB HBM3") -> None:
        """Play the container: everything passed there."""
        passed = make_verdict(run_id=(await self.run()).id, ns=2e6)
        verdict = dataclasses.replace(
            passed,
            device=dataclasses.replace(passed.device, name=device),
            harness=dataclasses.replace(passed.harness, judge_digest=judge_digest()),
        )
        call.result = self.fake.servicer.returned(packed(verdict))
        call.ended.set()

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """One in this process, which is told to stop in the end."""
        launcher = ModalLauncher("H100", TOKEN, away_s=0.05, count_s=0.1)
        slots = [Slot("H100", launcher, here=False)] * self.slots
        worker = Worker(self.app, slots, {})
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, PATIENCE_S)
            await launcher.close()

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[programs.Process]:
        """One that is a process, which is killed in the end."""
        made = await programs.start(
            "kernelbot.worker", cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            yield made
        finally:
            with contextlib.suppress(ProcessLookupError):
                made.kill()
            await made.wait()


def packed(verdict: Verdict) -> bytes:
    header: dict[str, Any] = {"verdict": dump(verdict), "events": [], "stderr": ""}
    return parcels._pack(header, {})


@pytest_asyncio.fixture
async def scene(
    app: App, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Scene]:
    targets = tmp_path / "targets.yaml"
    entry = {"device": "cuda", "match": r"\bH100\b", "launchers": ["modal"]}
    targets.write_text(json.dumps({"H100": {**entry, "modal": {"gpu": "H100!", "runs": 1}}}))
    async with serving("H100") as fake:
        fake.servicer.busy = True
        there = {"MODAL_SERVER_URL": fake.url, "MODAL_CONFIG_PATH": str(tmp_path / "none.toml")}
        for name, value in there.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(modal, "POLL_S", 0.5)
        settings = {
            **environment,
            **there,
            **dict(zip(modal.TOKEN, TOKEN, strict=True)),
            "KERNELBOT_TARGETS_FILE": str(targets),
        }
        ada = await make_actor(app)
        view = await submitted(app, ada, gpus=("H100",))
        yield Scene(app, fake, ada, view.id, settings)


async def test_the_call_of_a_killed_worker_is_taken_over_by_the_next_and_no_second_one_made(
    scene: Scene,
) -> None:
    async with scene.process() as first:
        await scene.called()
        first.kill()
        await first.wait()

        async with scene.worker():
            await scene.taken_over()
            await scene.is_(Status.RUNNING, attempt=2)
            await scene.answer(scene.calls[0])
            run = await scene.is_(Status.DONE, attempt=2)

    assert run.kind is VerdictKind.PASSED
    assert len(scene.calls) == 1


async def test_a_worker_that_wakes_after_its_lease_leaves_its_call_to_whoever_has_it_now(
    scene: Scene,
) -> None:
    async with scene.process() as frozen:
        await scene.called()
        frozen.send_signal(signal.SIGSTOP)

        async with scene.worker():
            await scene.taken_over()
            await scene.is_(Status.RUNNING, attempt=2)
            frozen.send_signal(signal.SIGCONT)
            await asyncio.sleep(5 * scene.app.settings.heartbeat_s)  # it hears that it has lost it
            assert scene.calls[0].result is None
            await scene.answer(scene.calls[0])
            run = await scene.is_(Status.DONE, attempt=2)

    assert run.kind is VerdictKind.PASSED
    assert len(scene.calls) == 1


async def test_a_worker_that_is_told_to_stop_leaves_its_call_to_the_next_at_no_attempt(
    scene: Scene,
) -> None:
    async with scene.worker():
        await scene.called()
    assert (await scene.run()).status is Status.QUEUED
    assert scene.calls[0].result is None

    async with scene.worker():
        await scene.is_(Status.RUNNING)
        await scene.answer(scene.calls[0])
        run = await scene.is_(Status.DONE)

    assert run.kind is VerdictKind.PASSED
    assert len(scene.calls) == 1


async def test_what_is_cancelled_while_no_worker_has_it_is_ended_by_the_next(scene: Scene) -> None:
    silent = ModalLauncher("H100", TOKEN)
    held = await claim_one(scene.app, "H100")
    job = Package(job=held.job, problem_files=held.problem_files, code=held.code)
    launch = await silent.start(job)
    assert await dispatch.goes_on(scene.app, held, launch.handle)
    await submit.cancel(scene.app, scene.ada, scene.submission_id)

    async with scene.worker():
        await scene.taken_over()
        await scene.is_(Status.CANCELLED, attempt=2)

    assert scene.calls[0].result is not None
    assert len(scene.calls) == 1
    await silent.close()


async def test_what_is_cancelled_while_its_call_is_looked_for_is_ended(scene: Scene) -> None:
    silent = ModalLauncher("H100", TOKEN)
    held = await claim_one(scene.app, "H100")
    job = Package(job=held.job, problem_files=held.problem_files, code=held.code)
    launch = await silent.start(job)
    assert await dispatch.goes_on(scene.app, held, launch.handle)
    scene.fake.servicer.knowing.clear()

    async with scene.worker() as worker:
        await scene.taken_over()
        await until(lambda: bool(worker._held))
        await submit.cancel(scene.app, scene.ada, scene.submission_id)
        await until(lambda: any(run.cancelled for run in worker._held.values()))
        scene.fake.servicer.knowing.set()
        await scene.is_(Status.CANCELLED, attempt=2)

    assert scene.calls[0].result is not None
    assert len(scene.calls) == 1
    await silent.close()


async def test_a_call_that_modal_knows_no_more_is_made_anew(scene: Scene) -> None:
    async with scene.worker():
        await scene.called()
    call = scene.fake.servicer.calls.pop("fc-0")
    scene.fake.servicer.calls["fc-forgotten"] = call

    async with scene.worker():
        await scene.called(2)
        await scene.answer(scene.calls[1])
        run = await scene.is_(Status.DONE)

    assert run.kind is VerdictKind.PASSED


async def test_modal_may_be_away_when_the_next_worker_looks_for_the_call(scene: Scene) -> None:
    async with scene.worker():
        await scene.called()
    await scene.fake.go_away()
    slowly = scene.app.settings.model_copy(update={"retry_s": 60.0})
    scene.app = dataclasses.replace(scene.app, settings=slowly)

    async with scene.worker() as worker:
        for slot in worker._free:
            slot.launcher._start_s = 0.5  # type: ignore[attr-defined]
        await scene.is_(Status.QUEUED)
        await scene.fake.arrive()
        async with scene.app.database.transaction() as connection:
            await connection.execute(text("UPDATE pgqueuer SET execute_after = now()"))
        await scene.is_(Status.RUNNING, attempt=2)
        await scene.answer(scene.calls[0])
        run = await scene.is_(Status.DONE, attempt=2)

    assert run.kind is VerdictKind.PASSED
    assert len(scene.calls) == 1


async def test_another_gpu_than_was_asked_for_is_refused_and_the_run_tried_again(
    scene: Scene,
) -> None:
    async with scene.worker():
        await scene.called()
        await scene.answer(scene.calls[0], device="NVIDIA H200")
        await scene.called(2)
        assert (await scene.run()).seconds is None
        await scene.answer(scene.calls[1])
        run = await scene.is_(Status.DONE, attempt=2)

    assert run.kind is VerdictKind.PASSED
    assert run.verdict is not None
    assert run.verdict.device.name == "NVIDIA H100 80GB HBM3"


async def test_what_waits_for_a_container_is_no_capacity_that_others_could_count_on(
    scene: Scene,
) -> None:
    scene.slots = 4
    for _ in range(2):
        await submitted(scene.app, scene.ada, gpus=("H100",), mode="test")

    async def free() -> int:
        queues = {item.gpu: item.slots for item in await standings.queues(scene.app)}
        return queues["H100"]

    async def only_one() -> bool:
        return await free() == 1

    async def two() -> bool:
        return await free() == 2

    async with scene.worker():
        await until(lambda: len(scene.calls) == 3)
        assert await until(only_one)
        await scene.answer(scene.calls[0])
        assert await until(two)
