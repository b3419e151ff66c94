"""A kind with two ways to it: a Slurm cluster first, Modal where that starts nothing."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.domain.target import Target
from kernelbot.judge.protocol import VerdictKind, judge_digest
from kernelbot.launchers import modal, slurm
from kernelbot.launchers.base import Site
from kernelbot.launchers.modal import ModalLauncher
from kernelbot.launchers.slurm import Pace
from kernelbot.services import machines, standings, submissions
from kernelbot.services.views import RunView
from kernelbot.worker import Slot, Worker, slots_of
from tests.factories import make_actor, make_verdict, submitted
from tests.fakes.modal import TOKEN, Call, FakeModal, serving
from tests.launchers.test_modal_worker import PATIENCE_S, packed
from tests.launchers.test_slurm import Cluster
from tests.patience import until
from tests.services.machines import administrator


@dataclasses.dataclass
class Scene:
    """A cluster with two slots and a Modal with one, whose containers are the test's to play."""

    app: App
    cluster: Cluster
    fake: FakeModal
    ada: Actor

    @property
    def calls(self) -> list[Call]:
        return list(self.fake.servicer.calls.values())

    async def submitted(self) -> int:
        return (await submitted(self.app, self.ada, gpus=("H100",), mode="test")).id

    async def run(self, submission_id: int) -> RunView:
        (run,) = (await submissions.submission(self.app, self.ada, submission_id)).runs
        return run

    async def is_(self, submission_id: int, status: Status) -> RunView:
        async def found() -> RunView | None:
            run = await self.run(submission_id)
            return run if run.status is status else None

        seen: RunView = await until(found, PATIENCE_S)
        return seen

    async def answer(self, call: Call, submission_id: int) -> None:
        passed = make_verdict(run_id=(await self.run(submission_id)).id)
        verdict = dataclasses.replace(
            passed,
            device=dataclasses.replace(passed.device, name="NVIDIA H100 80GB HBM3"),
            harness=dataclasses.replace(passed.harness, judge_digest=judge_digest()),
        )
        call.result = self.fake.servicer.returned(packed(verdict))
        call.ended.set()

    async def called(self, times: int) -> None:
        assert await until(lambda: len(self.calls) == times, PATIENCE_S)

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        slots = slots_of(self.app, [])
        worker = Worker(self.app, slots, {})
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, PATIENCE_S)
            for launcher in {place.launcher for slot in slots for place in (slot, *slot.others)}:
                await launcher.close()


@pytest_asyncio.fixture
async def scene(app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Scene]:
    cluster = Cluster(tmp_path / "cluster")
    async with serving("H100") as fake:
        fake.servicer.busy = True
        there = {
            **{name: cluster.environment[name] for name in ("PATH", "SLURM_CONF")},
            **dict(zip(modal.TOKEN, TOKEN, strict=True)),
            "MODAL_SERVER_URL": fake.url,
            "MODAL_CONFIG_PATH": str(tmp_path / "none.toml"),
        }
        for name, value in there.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(modal, "POLL_S", 0.5)
        monkeypatch.setattr(slurm, "TAKEN_S", 0.1)
        hasty = functools.partial(Pace, look_s=0.04, poll_s=0.1, glance_s=0.1)
        monkeypatch.setattr(slurm, "Pace", hasty)
        kind = Target(
            name="H100",
            device="cuda",
            match=r"\bH100\b",
            launchers=("slurm", "modal"),
            settings={
                "slurm": {"shared": str(cluster.shared), "slots": 2},
                "modal": {"gpu": "H100!", "runs": 1},
            },
        )
        reaching = dataclasses.replace(app, targets={"H100": kind})
        yield Scene(reaching, cluster, fake, await make_actor(app))
    for job in cluster.jobs():  # of a test that did not get to its end
        (cluster.home / "jobs" / f"{job['id']}.order").write_text("CANCELLED")


async def test_a_run_that_a_dead_controller_does_not_take_goes_to_the_next_launcher_at_no_attempt(
    scene: Scene,
) -> None:
    scene.cluster.now(away=True)
    first = await scene.submitted()
    admin = await administrator(scene.app)

    async with scene.worker() as worker:
        await scene.called(1)
        await worker._heartbeat()
        (machine,) = (await machines.fleet(scene.app, admin)).machines
        await scene.answer(scene.calls[0], first)
        run = await scene.is_(first, Status.DONE)

        # The cluster is there again, and is left alone for a while all the same.
        scene.cluster.now(away=False)
        second = await scene.submitted()
        await scene.called(2)
        await scene.answer(scene.calls[1], second)
        await scene.is_(second, Status.DONE)
        assert scene.cluster.jobs() == []

        worker._rests.clear()  # the while is over
        await scene.submitted()
        assert await until(lambda: scene.cluster.jobs(), PATIENCE_S)

    assert (run.kind, run.attempt) == (VerdictKind.PASSED, 1)
    assert "H100 is not reached by slurm: the cluster takes no job" in machine.trouble
    assert len(scene.calls) == 2


async def test_of_more_runs_than_the_next_launcher_has_room_for_none_costs_an_attempt(
    scene: Scene,
) -> None:
    scene.cluster.now(away=True)
    submitted_ids = [await scene.submitted() for _ in range(2)]

    async def slots() -> int:
        return {item.gpu: item.slots for item in await standings.queues(scene.app)}["H100"]

    async with scene.worker() as worker:
        for times in (1, 2):  # one after the other
            await scene.called(times)
            (held,) = [item for item in worker._held.values() if item.place.way == "modal"]
            await worker._heartbeat()
            assert await slots() == 1
            await scene.answer(scene.calls[times - 1], held.assignment.submission_id)
            await scene.is_(held.assignment.submission_id, Status.DONE)

    runs = [await scene.run(submission_id) for submission_id in submitted_ids]
    assert [(run.kind, run.attempt) for run in runs] == [(VerdictKind.PASSED, 1)] * 2


async def test_where_no_launcher_of_a_kind_starts_anything_the_attempt_counts(scene: Scene) -> None:
    scene.cluster.now(away=True)
    await scene.fake.go_away()
    submission_id = await scene.submitted()

    async with scene.worker() as worker:
        (there,) = {other.launcher for slot in worker._slots for other in slot.others}
        assert isinstance(there, ModalLauncher)
        there._start_s = 0.5

        async def second() -> bool:
            return (await scene.run(submission_id)).attempt == 2

        assert await until(second, PATIENCE_S)
        there._start_s = modal.START_S
        await scene.fake.arrive()
        await scene.called(1)


async def test_each_slot_of_the_first_launcher_has_a_slot_of_the_next_as_long_as_there_are_any(
    scene: Scene,
) -> None:
    slots = slots_of(scene.app, [])

    assert [(slot.way, [other.way for other in slot.others]) for slot in slots] == [
        ("slurm", ["modal"]),
        ("slurm", []),
    ]


async def test_a_device_of_this_machine_is_neither_fallen_over_to_nor_from(scene: Scene) -> None:
    kind = scene.app.targets["H100"]
    for ways, wanted in {("local", "slurm"): "local", ("slurm", "local"): "slurm"}.items():
        target = dataclasses.replace(kind, launchers=ways)
        app = dataclasses.replace(scene.app, targets={"H100": target})
        slots: list[Slot] = slots_of(app, ["NVIDIA H100 80GB HBM3"])
        assert {(slot.way, slot.others) for slot in slots} == {(wanted, ())}


def test_a_cluster_is_waited_for_less_long_where_there_is_another_way(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster")
    site = Site(folder=tmp_path, environment=cluster.environment)
    waited = {}
    for ways in (("slurm",), ("modal", "slurm"), ("slurm", "modal")):
        target = Target(name="H100", device="cuda", match="H100", launchers=ways)
        (launcher,) = slurm.make(target, {"shared": str(cluster.shared)}, site)
        assert isinstance(launcher, slurm.SlurmLauncher)
        waited[ways] = launcher._cluster.pace.taken_s
    assert list(waited.values()) == [600.0, 600.0, slurm.TAKEN_S]
