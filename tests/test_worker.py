"""The worker: as the process it is, and the few moments that only a look inside can hold still."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event, text

from kernelbot import worker as worker_module
from kernelbot.app import App
from kernelbot.config import ROOT
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.domain.target import Target
from kernelbot.errors import InvalidInput
from kernelbot.judge.protocol import Event, Verdict, VerdictKind
from kernelbot.launchers.base import Factory, Launcher, Package
from kernelbot.launchers.devices import Pool
from kernelbot.launchers.local import LocalLauncher
from kernelbot.launchers.registry import FACTORIES
from kernelbot.services import dispatch, identity, machines, submissions, submit
from kernelbot.worker import Slot, Worker, demand_fitness, most_ranks, slots_of
from tests import programs
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, lost_by_its_holder, make_actor, make_verdict, submitted
from tests.launchers.test_slurm import Cluster
from tests.patience import until
from tests.processes import alive, family

PATIENCE_S = 300.0
ENDLESS = b"while True:\n    pass\n"


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def run_of(app: App, actor: Actor, submission_id: int) -> Any:
    return (await submissions.submission(app, actor, submission_id)).runs[0]


# --- as a process --------------------------------------------------------------------------------


class Workers:
    """Worker processes of this test."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**environment, "KERNELBOT_WORKER_SLOTS": "1"}
        self._all: list[programs.Process] = []

    async def start(self) -> programs.Process:
        process = await programs.start(
            "kernelbot.worker", cwd=ROOT, env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )
        self._all.append(process)
        return process

    async def end(self) -> None:
        for process in self._all:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@pytest_asyncio.fixture
async def workers(environment: dict[str, str]) -> AsyncIterator[Workers]:
    made = Workers(environment)
    yield made
    await made.end()


async def under_way(app: App, actor: Actor, submission_id: int) -> Any:
    """The run, once a judge is at work on it."""

    async def building() -> Any:
        run = await run_of(app, actor, submission_id)
        return run if run.stage else None

    return await until(building, PATIENCE_S)


async def ended(app: App, actor: Actor, submission_id: int) -> Any:
    async def final() -> Any:
        run = await run_of(app, actor, submission_id)
        return run if run.status.final else None

    return await until(final, PATIENCE_S)


async def test_a_worker_judges_what_is_submitted_and_stops_when_told(
    app: App, workers: Workers
) -> None:
    ada = await make_actor(app)
    worker = await workers.start()
    view = await submitted(app, ada, mode="test", code=CODE)

    run = await ended(app, ada, view.id)
    assert run.kind is VerdictKind.PASSED
    assert run.verdict is not None
    assert len(run.verdict.harness.judge_digest) == 64
    kinds = [step.kind for step in await submissions.events(app, view.id, 0)]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert len(await rows(app, "SELECT id FROM workers")) == 1

    worker.terminate()
    assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0
    assert await rows(app, "SELECT id FROM workers") == []


async def test_a_worker_has_canaries_judged_on_its_devices_and_gives_nothing_to_one_that_is_out(
    app: App, environment: dict[str, str]
) -> None:
    workers = Workers({**environment, "KERNELBOT_CANARY_S": "3600"})
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(workers.end)
        await workers.start()

        async def known() -> Any:
            (found,) = await machines.listed(app, admin) or (None,)
            return found if found is not None and found.canary_good is not None else None

        admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
        device = await until(known, PATIENCE_S)
        assert device.canary_good, device.canary_reason
        assert sorted(device.seconds) == ["product", "stream"]
        assert device.device.startswith("cpu@")

        await machines.quarantine(app, admin, device.id, "It smells.")
        free = "SELECT 1 FROM workers WHERE (slots->>'CPU')::int = 0"
        await until(lambda: rows(app, free), PATIENCE_S)
        ada = await make_actor(app)
        view = await submitted(app, ada, mode="test", code=CODE)
        await asyncio.sleep(0.5)
        assert (await run_of(app, ada, view.id)).status is Status.QUEUED

        await machines.release(app, admin, device.id, "It was lunch.")
        assert (await ended(app, ada, view.id)).kind is VerdictKind.PASSED
        assert await rows(app, "SELECT device_ids FROM runs") == [([device.device],)]


async def test_a_worker_has_a_kind_judged_on_a_cluster_that_its_entry_names(
    app: App, environment: dict[str, str], tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path / "cluster")
    entry = {"device": "cpu", "launchers": ["slurm"], "slurm": {"shared": str(cluster.shared)}}
    targets = tmp_path / "targets.yaml"
    targets.write_text(json.dumps({"CPU": entry}))
    found = {name: cluster.environment[name] for name in ("PATH", "SLURM_CONF")}
    workers = Workers({**environment, **found, "KERNELBOT_TARGETS_FILE": str(targets)})
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(workers.end)
        ada = await make_actor(app)
        worker = await workers.start()

        view = await submitted(app, ada, mode="test", code=CODE)
        assert (await ended(app, ada, view.id)).kind is VerdictKind.PASSED
        assert [job["name"].startswith("kernelbot-run-") for job in cluster.jobs()] == [True]

        endless = await submitted(app, ada, mode="test", code=ENDLESS)
        await under_way(app, ada, endless.id)
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0
        assert cluster.states() == ["COMPLETED", "CANCELLED"]
        assert (await run_of(app, ada, endless.id)).status is Status.QUEUED
        assert cluster.remains() == []


async def test_a_worker_without_torch_ends_at_once_and_says_what_to_do(
    app: App, environment: dict[str, str], tmp_path: Path
) -> None:
    # What python runs before anything else: to every import and search there is no torch.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernelbot.worker", cwd=ROOT,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        _, said = await process.communicate()

    words = said.decode()
    assert process.returncode == 1
    assert "The worker cannot start: PyTorch is not installed" in words
    assert "KERNELBOT_TORCH=cpu" in words
    assert "Traceback" not in words
    assert await rows(app, "SELECT id FROM workers") == []


async def test_a_stopped_worker_gives_its_run_back_without_counting_the_attempt(
    app: App, workers: Workers
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, code=ENDLESS)
    worker = await workers.start()
    await under_way(app, ada, view.id)
    whole = family(worker.pid)[1:]

    worker.terminate()

    assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0
    run = await run_of(app, ada, view.id)
    assert (run.status, run.attempt) == (Status.QUEUED, 0)
    assert await until(lambda: not alive(whole))
    ((why,),) = await rows(app, "SELECT data->>'why' FROM run_events WHERE kind = 'retry'")
    assert why == "a restart of ours"


async def test_what_a_killed_worker_left_is_finished_by_another_once(
    app: App, workers: Workers
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, code=ENDLESS, mode="test")
    first = await workers.start()
    await under_way(app, ada, view.id)

    first.kill()
    await first.wait()
    # The second attempt is to end soon: nobody waits for the minute that an endless one gets.
    await rows(app, "UPDATE code_blobs SET content = :code", code=CODE)
    await workers.start()
    await lost_by_its_holder(app, view.runs[0].id)

    run = await ended(app, ada, view.id)
    assert (run.kind, run.attempt) == (VerdictKind.PASSED, 2)
    assert len(await rows(app, "SELECT run_id FROM verdicts")) == 1
    kinds = [step.kind for step in await submissions.events(app, view.id, 0)]
    assert kinds.count("started") == 2
    assert kinds.count("finished") == 1


async def test_a_cancelled_run_ends_within_moments_and_leaves_no_process(
    app: App, workers: Workers
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, code=ENDLESS)
    worker = await workers.start()
    await under_way(app, ada, view.id)
    template, *whole = family(worker.pid)[1:]  # it stays, for the next run
    assert whole

    await submit.cancel(app, ada, view.id)

    run = await until(lambda: ended(app, ada, view.id), 30)
    assert run.status is Status.CANCELLED
    assert await until(lambda: not alive(whole))
    assert alive([template])
    assert worker.returncode is None


# --- from inside ---------------------------------------------------------------------------------


class Held:
    """A launch that ends when the test says how, or when it is cancelled."""

    handle = ""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.cancelled = False

    async def events(self) -> AsyncIterator[Event]:
        await asyncio.wait([self.outcome])
        for step in ():
            yield step

    async def verdict(self) -> Verdict:
        return await self.outcome

    async def canary(self) -> Verdict | None:
        return None

    async def artefact(self, name: str) -> AsyncIterator[bytes]:
        raise FileNotFoundError(name)
        yield b""

    async def close(self) -> None:
        pass

    async def leave(self) -> None:
        await self.cancel()

    async def cancel(self) -> None:
        self.cancelled = True
        if not self.outcome.done():
            self.outcome.set_result(make_verdict(VerdictKind.JUDGE_FAILED))


class Bench:
    """A launcher whose starts and ends are in the test's hands."""

    backlog = 0

    def __init__(self) -> None:
        self.launches: list[Held] = []
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.starting = 0
        self.trouble: Exception | None = None

    async def start(self, package: Package) -> Held:
        self.starting += 1
        await self.may_start.wait()
        if self.trouble is not None:
            raise self.trouble
        self.launches.append(Held())
        return self.launches[-1]

    async def attach(self, package: Package, handle: str) -> None:
        return None

    async def close(self) -> None:
        for launch in self.launches:
            await launch.cancel()


@contextlib.asynccontextmanager
async def working(app: App, bench: Launcher, slots: int = 1) -> AsyncIterator[Worker]:
    worker = Worker(app, [Slot("CPU", bench) for _ in range(slots)], {})
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, PATIENCE_S)


async def test_a_ranked_run_elsewhere_is_tried_again_where_its_canary_said_nothing(
    app: App,
) -> None:
    watched = dataclasses.replace(
        app, settings=app.settings.model_copy(update={"canary_s": 3600.0})
    )
    bench = Bench()
    worker = Worker(watched, [Slot("CPU", bench, here=False, way="slurm")], {})  # type: ignore[arg-type]
    task = asyncio.create_task(worker.run())
    view = await submitted(app, await make_actor(app))
    await until(lambda: bench.launches)

    bench.launches[0].outcome.set_result(make_verdict(run_id=view.runs[0].id))
    await until(lambda: len(bench.launches) > 1)
    worker.stop()
    await asyncio.wait_for(task, PATIENCE_S)

    async with app.database.read() as connection:
        told = await connection.execute(text("SELECT count(*) FROM verdicts"))
        assert told.scalar_one() == 0


async def test_a_run_claimed_while_stopping_is_given_back(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    bench = Bench()
    bench.may_start.clear()

    async with working(app, bench) as worker:
        await until(lambda: bench.starting)
        worker.stop()
        bench.may_start.set()

    run = await run_of(app, ada, view.id)
    assert (run.status, run.attempt) == (Status.QUEUED, 0)


async def test_a_run_cancelled_while_it_starts_is_cancelled(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    bench = Bench()
    bench.may_start.clear()

    async with working(app, bench):
        await until(lambda: bench.starting)
        await submit.cancel(app, ada, view.id)
        await asyncio.sleep(2 * app.settings.heartbeat_s)
        bench.may_start.set()
        run = await ended(app, ada, view.id)

    assert run.status is Status.CANCELLED


@pytest.mark.parametrize(
    ("what", "status"), [("cancel", Status.CANCELLED), ("stop", Status.QUEUED)]
)
async def test_a_run_that_waits_for_another_runs_device_is_ended_when_told(
    app: App, tmp_path: Path, what: str, status: Status
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    pool = Pool([0])
    _, held = await pool.take(0, 1)
    launcher = LocalLauncher(tmp_path, os.environ, 0, pool=pool)

    async with working(app, launcher) as worker:
        await until(lambda: worker._held)
        if what == "stop":
            worker.stop()
        else:
            await submit.cancel(app, ada, view.id)

        async def over() -> Any:
            run = await run_of(app, ada, view.id)
            return run.status is status and run

        run = await until(over, 30)

    assert run.attempt == (0 if what == "stop" else 1)
    held.close()
    assert (await pool.take(0, 1))[0] == [0]


async def test_a_run_claimed_again_by_its_own_worker_keeps_its_heartbeat(app: App) -> None:
    """As after a database that was away for longer than a lease."""
    ada = await make_actor(app)
    view = await submitted(app, ada)
    bench = Bench()

    async with working(app, bench, slots=2):
        await until(lambda: bench.launches)
        await lost_by_its_holder(app, view.runs[0].id)
        await until(lambda: len(bench.launches) > 1)
        await until(lambda: bench.launches[0].cancelled)

        # Without its heartbeat the run would be claimed once more when the lease is over.
        before = await rows(app, "SELECT heartbeat FROM pgqueuer")

        async def kept() -> bool:
            return await rows(app, "SELECT heartbeat FROM pgqueuer") > before

        await until(kept)
        assert len(bench.launches) == 2
        bench.launches[1].outcome.set_result(make_verdict())
        run = await ended(app, ada, view.id)

    assert (run.kind, run.attempt) == (VerdictKind.PASSED, 2)


async def test_a_run_lost_to_another_is_stopped_and_nothing_is_said_about_it(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    bench = Bench()

    async with working(app, bench):
        await until(lambda: bench.launches)
        await rows(app, "UPDATE runs SET lease = :lease", lease=uuid.uuid4())
        await until(lambda: bench.launches[0].cancelled)

    assert (await run_of(app, ada, view.id)).status is Status.RUNNING


@pytest.mark.parametrize("trouble", [OSError("no space"), ValueError("bad path")])
async def test_a_run_that_cannot_be_started_is_tried_again_and_the_worker_goes_on(
    app: App, trouble: Exception
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    bench = Bench()
    bench.trouble = trouble

    async with working(app, bench):
        await until(lambda: bench.starting >= 2)
        bench.trouble = None
        await until(lambda: bench.launches)
        bench.launches[0].outcome.set_result(make_verdict())
        run = await ended(app, ada, view.id)

    assert run.kind is VerdictKind.PASSED
    assert run.attempt >= 3


async def test_a_worker_that_cannot_beat_any_more_stops(app: App) -> None:
    bench = Bench()
    worker = Worker(app, [Slot("CPU", bench)], {})
    task = asyncio.create_task(worker.run())
    await until(lambda: rows(app, "SELECT id FROM workers"))

    worker._about = {"not": object()}  # what JSON cannot say: every further heartbeat fails

    await asyncio.wait_for(task, PATIENCE_S)
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []


async def test_old_rows_that_cannot_be_removed_end_no_worker(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "HOUSEKEEPING_S", 0.05)
    failed: list[object] = []
    event.listen(app.database.engine.sync_engine, "handle_error", failed.append)
    await rows(app, "ALTER TABLE run_events RENAME TO elsewhere")
    worker = Worker(app, [Slot("CPU", Bench())], {})
    task = asyncio.create_task(worker.run())

    assert await until(lambda: len(failed) > 2 or task.done())
    assert not task.done()

    worker.stop()
    await task


async def test_a_worker_works_through_a_database_that_cuts_its_connections(app: App) -> None:
    ada = await make_actor(app)
    bench = Bench()
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async with working(app, bench):
        view = await submitted(app, ada)
        await until(lambda: bench.launches)
        await rows(app, cut)
        bench.launches[0].outcome.set_result(make_verdict())

        async def done() -> Any:
            # The test's own connections were cut as well.
            with contextlib.suppress(Exception):
                run = await run_of(app, ada, view.id)
                return run if run.status.final else None

        run = await until(done, PATIENCE_S)

    assert run.kind is VerdictKind.PASSED


async def test_several_gpus_of_a_machine_are_one_slot_and_in_no_other_run_meanwhile(
    app: App,
) -> None:
    slots = slots_of(app, ["NVIDIA H200"] * 9)

    offered = [slot.gpu for slot in slots if slot.gpu != "CPU"]
    assert offered == ["H200"] * 9 + ["H200x2"] * 4 + ["H200x4"] * 2 + ["H200x8"]
    launchers = [slot.launcher for slot in slots if slot.gpu != "CPU"]
    assert all(isinstance(launcher, LocalLauncher) for launcher in launchers)
    by_gpu: dict[str, list[LocalLauncher]] = {}
    for slot in slots:
        if isinstance(slot.launcher, LocalLauncher):
            by_gpu.setdefault(slot.gpu, []).append(slot.launcher)
    single, (first, second) = by_gpu["H200"], by_gpu["H200x4"]
    taken, held = await first._devices(4)
    assert taken == [0, 1, 2, 3]
    waiting = asyncio.create_task(single[3]._devices(1))
    assert (await second._devices(4))[0] == [4, 5, 6, 7]
    assert (await single[8]._devices(1))[0] == [8]
    assert not waiting.done()
    held.close()
    assert (await waiting)[0] == [3]


async def test_the_fence_must_stand_for_as_many_ranks_as_a_run_may_have(app: App) -> None:
    assert await most_ranks(app, {"CPU", "H200"}) == 1
    assert await most_ranks(app, {"CPU", "H200", "H200x4"}) == 4
    await rows(app, "UPDATE problems SET document = document || '{\"world_size\": 2}'")
    assert await most_ranks(app, {"CPU", "H200"}) == 2
    assert await most_ranks(app, {"H200"}) == 1
    assert await most_ranks(app, set()) == 1


async def test_a_target_is_served_by_the_first_of_its_launchers_that_reaches_it(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Bench()
    factories = {**FACTORIES, "far": Factory(make=lambda *_: [far, far])}
    monkeypatch.setattr(worker_module, "FACTORIES", factories)
    kinds = {
        kind: Target(name=kind, device="cuda", match=rf"\b{kind}\b", launchers=("local", "far"))
        for kind in ("H200", "B200")
    }
    kinds["T4"] = Target(name="T4", device="cuda", match="T4")
    reaching = dataclasses.replace(app, targets=kinds)

    slots = slots_of(reaching, ["NVIDIA H200"])

    assert [(slot.gpu, slot.here) for slot in slots] == [
        ("H200", True),
        ("B200", False),
        ("B200", False),
    ]
    assert slots[1].launcher is far


async def test_a_machine_on_which_nothing_is_judged_needs_no_torch(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    await demand_fitness(app, [Slot("H200", Bench(), here=False)])  # type: ignore[arg-type]

    with pytest.raises(InvalidInput, match="PyTorch is not installed"):
        await demand_fitness(app, [Slot("H200", Bench())])  # type: ignore[arg-type]
