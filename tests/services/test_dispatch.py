"""Dispatch: leases, order, redelivery, retries, cancellation; many hands on the same submissions."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App, build
from kernelbot.domain.submission import Status
from kernelbot.errors import Conflict, Unavailable
from kernelbot.judge.protocol import Event, Mode, Stage, VerdictKind
from kernelbot.services import dispatch, standings, submissions, submit
from kernelbot.services.dispatch import Assignment
from kernelbot.services.views import RunView
from tests.conftest import make_settings
from tests.factories import claim_one, judge_one, make_actor, make_verdict, submitted
from tests.patience import until

FAILED = make_verdict(VerdictKind.JUDGE_FAILED)


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def beat(app: App, worker: uuid.UUID, *held: Assignment, slots: int = 1) -> dict[int, bool]:
    """A worker's sign of life."""
    by_run = {item.run_id: item for item in held}
    return await dispatch.heartbeat(app, worker, "host", {"CPU": slots}, {}, "0" * 64, by_run)


async def run_of(app: App, actor: Any, submission_id: int) -> RunView:
    return (await submissions.submission(app, actor, submission_id)).runs[0]


async def fall_silent(app: App) -> None:
    """Time passes and nobody says anything."""
    await rows(app, "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")


# --- claiming ------------------------------------------------------------------------------------


async def test_an_assignment_holds_everything_needed_to_judge_the_run(app: App) -> None:
    view = await submitted(app, await make_actor(app), file_name="my kernel.PY")

    held = await claim_one(app)

    assert (held.submission_id, held.run_id) == (view.id, view.runs[0].id)
    assert (held.job.mode, held.job.device, held.job.attempt) == (Mode.RANKED, "cpu", 1)
    assert held.job.submission == "submission.py"
    assert held.code.startswith(b"import torch")
    assert "reference.py" in held.problem_files
    assert not any(path.startswith("examples/") for path in held.problem_files)


async def test_runs_share_a_compile_cache_with_their_own_persons_only(app: App) -> None:
    ada, bob = await make_actor(app), await make_actor(app, name="bob")
    for actor, text_ in ((ada, "1"), (ada, "2"), (bob, "3")):
        await submitted(app, actor, code=f"import torch  # {text_}".encode())

    keys = [(await claim_one(app)).job.cache_key for _ in range(3)]

    assert len(set(keys)) == 2  # the second is bob's: ada holds one by then
    assert keys[0] == keys[2]
    assert all(len(key) == 64 for key in keys)


async def test_what_counts_goes_first_and_then_what_is_older(app: App) -> None:
    ada = await make_actor(app)
    modes = ("test", "benchmark", "ranked", "test", "ranked", "benchmark")
    ids = [(await submitted(app, ada, mode=mode)).id for mode in modes]

    claimed = [(await claim_one(app)).submission_id for _ in modes]

    assert claimed == [ids[i] for i in (2, 4, 1, 5, 0, 3)]


async def test_a_worker_gets_no_more_than_it_has_slots_and_only_for_its_gpus(app: App) -> None:
    ada = await make_actor(app)
    for _ in range(3):
        await submitted(app, ada, gpus=("CPU", "T4", "H100"))

    held = await dispatch.claim(app, uuid.uuid4(), {"CPU": 2, "T4": 1})

    assert sorted(item.gpu for item in held) == ["CPU", "CPU", "T4"]


async def test_a_run_is_claimed_by_one_of_many(app: App) -> None:
    ada = await make_actor(app)
    await asyncio.gather(*(submitted(app, ada) for _ in range(6)))

    found = await asyncio.gather(*(dispatch.claim(app, uuid.uuid4(), {"CPU": 2}) for _ in range(6)))

    claimed = [item.run_id for items in found for item in items]
    assert len(claimed) == len(set(claimed)) == 6


async def test_a_stored_problem_that_cannot_be_read_fails_its_run_and_no_other(app: App) -> None:
    ada = await make_actor(app)
    bad = await submitted(app, ada, leaderboard="matmul")
    good = await submitted(app, ada)
    await rows(app, "UPDATE problems SET document = document - 'tests' WHERE name = 'matmul'")

    held = await dispatch.claim(app, uuid.uuid4(), {"CPU": 5})

    assert [item.submission_id for item in held] == [good.id]
    run = await run_of(app, ada, bad.id)
    assert (run.status, run.attempt) == (Status.QUEUED, 1)


# --- fencing -------------------------------------------------------------------------------------


async def test_a_verdict_counts_once(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)

    assert await dispatch.finish(app, held, make_verdict(ns=2e6))
    assert not await dispatch.finish(app, held, make_verdict(ns=1e6))

    assert (await run_of(app, ada, view.id)).seconds == pytest.approx(2e-3)
    assert (await rows(app, "SELECT count(*) FROM verdicts"))[0][0] == 1


async def test_a_silent_workers_run_goes_to_another_and_its_late_verdict_is_ignored(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    first = await claim_one(app)
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
    await fall_silent(app)

    second = await claim_one(app)

    assert (second.run_id, second.attempt) == (first.run_id, 2)
    assert second.lease != first.lease
    assert await beat(app, uuid.uuid4(), first) == {}
    step = Event(kind="stage", stage=Stage.CHECK)
    assert not await dispatch.progress(app, first, step)
    assert not await dispatch.give_back(app, first)
    assert not await dispatch.cancelled(app, first)
    assert not await dispatch.finish(app, first, make_verdict(VerdictKind.CRASHED))
    assert await dispatch.finish(app, second, make_verdict())
    run = await run_of(app, ada, view.id)
    assert (run.kind, run.attempt) == (VerdictKind.PASSED, 2)


async def test_silence_is_measured_in_real_time_and_ended_by_a_heartbeat(
    app: App, database_url: str, tmp_path: Path
) -> None:
    await submitted(app, await make_actor(app))
    held = await claim_one(app)
    worker = uuid.uuid4()
    query = "UPDATE pgqueuer SET heartbeat = heartbeat - make_interval(secs => :seconds)"
    for _ in range(3):  # longer than a lease, in steps shorter than one
        await rows(app, query, seconds=app.settings.lease_s / 2)
        assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
        assert await beat(app, worker, held) == {held.run_id: False}

    settings = make_settings(database_url, tmp_path, lease_s=0.5)
    async with build(settings) as impatient:
        (again,) = await until(lambda: dispatch.claim(impatient, uuid.uuid4(), {"CPU": 1}))

    assert (again.run_id, again.attempt) == (held.run_id, 2)


# --- faults of ours ------------------------------------------------------------------------------


async def test_a_fault_of_ours_is_tried_again_after_a_pause_that_doubles(app: App) -> None:
    slow = app.settings.model_copy(update={"retry_s": 5.0})
    app = dataclasses.replace(app, settings=slow)
    ada = await make_actor(app)
    view = await submitted(app, ada)

    pauses = []
    for _ in range(3):
        held = await claim_one(app)
        assert await dispatch.finish(app, held, FAILED)
        assert (await run_of(app, ada, view.id)).status is Status.QUEUED
        assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
        ((pause,),) = await rows(
            app, "SELECT extract(epoch FROM execute_after - updated) FROM pgqueuer"
        )
        pauses.append(float(pause))
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")

    assert pauses == pytest.approx([5, 10, 20], abs=0.01)
    steps = await submissions.events(app, view.id, 0)
    assert [step.kind for step in steps] == ["started", "retry"] * 3


async def test_after_the_last_attempt_the_fault_is_told_as_ours(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    for _ in range(app.settings.attempts):
        assert await dispatch.finish(app, await claim_one(app), FAILED)
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")

    run = await run_of(app, ada, view.id)

    assert (run.status, run.kind) == (Status.DONE, VerdictKind.JUDGE_FAILED)
    assert "our machine failed" in run.ranking
    assert (await rows(app, "SELECT count(*) FROM pgqueuer"))[0][0] == 0


async def test_a_run_that_ends_its_workers_is_given_up_with_words_of_ours(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    for _ in range(app.settings.attempts):
        await claim_one(app)
        await fall_silent(app)

    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []

    run = await run_of(app, ada, view.id)
    assert run.kind is VerdictKind.JUDGE_FAILED
    assert run.verdict is not None
    assert run.verdict.fault == ""
    assert f"id run-{run.id}" in run.message
    ((fault,),) = await rows(app, "SELECT document->>'fault' FROM verdicts")
    assert "earlier ones ended their worker" in fault


async def test_what_is_given_back_waits_for_nobody_and_costs_no_attempt(app: App) -> None:
    await submitted(app, await make_actor(app))
    for _ in range(app.settings.attempts + 2):
        held = await claim_one(app)
        assert held.attempt == 1
        assert await dispatch.give_back(app, held)


async def test_a_passed_verdict_with_impossible_times_is_our_fault_and_is_tried_again(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)

    assert await dispatch.finish(app, held, make_verdict(ns=0.0))

    assert (await run_of(app, ada, view.id)).status is Status.QUEUED
    await rows(app, "UPDATE pgqueuer SET execute_after = now()")
    held = dataclasses.replace(await claim_one(app), attempt=app.settings.attempts)

    assert await dispatch.finish(app, held, make_verdict(ns=0.0))

    run = await run_of(app, ada, view.id)
    assert run.kind is VerdictKind.JUDGE_FAILED
    assert (await standings.standings(app, None, "vectoradd", "CPU")).total == 0


@pytest.mark.parametrize("text_of_theirs", ["NUL \0 here", "half \ud800 a pair", "\x1b[31m"])
async def test_whatever_a_kernel_prints_can_be_recorded(app: App, text_of_theirs: str) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="test")
    held = await claim_one(app)
    step = Event(kind="log", stage=Stage.BUILD, message=text_of_theirs)
    found = dataclasses.replace(
        make_verdict(VerdictKind.BUILD_FAILED, message=text_of_theirs), log=text_of_theirs
    )

    assert await dispatch.progress(app, held, step)
    assert await dispatch.finish(app, held, found)

    run = await run_of(app, ada, view.id)
    assert run.verdict is not None
    assert run.kind is VerdictKind.BUILD_FAILED
    assert len(run.verdict.log) == len(text_of_theirs)
    assert len(await submissions.events(app, view.id, 0)) == 3


async def test_what_a_secret_run_prints_stays_out_of_its_steps(app: App) -> None:
    ada = await make_actor(app)
    for mode in ("test", "ranked"):
        view = await submitted(app, ada, mode=mode)
        held = await claim_one(app)
        step = Event(kind="case", stage=Stage.CHECK, message="size: 7", done=1, total=2)
        assert await dispatch.progress(app, held, step)
        last = (await submissions.events(app, view.id, 0))[-1]
        assert last.data == {"stage": "check", "done": 1, "total": 2} | (
            {"message": "size: 7"} if mode == "test" else {}
        )
        assert (await run_of(app, ada, view.id)).progress == "check 1 of 2"


# --- cancelling ----------------------------------------------------------------------------------


async def test_the_holder_hears_of_a_cancellation_with_its_heartbeat(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)
    worker = uuid.uuid4()

    assert await beat(app, worker, held) == {held.run_id: False}
    await submit.cancel(app, ada, view.id)
    assert await beat(app, worker, held) == {held.run_id: True}


async def test_a_cancellation_outlives_the_worker_that_should_have_obeyed(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    await claim_one(app)
    await submit.cancel(app, ada, view.id)
    await fall_silent(app)

    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []

    assert (await submissions.submission(app, ada, view.id)).status is Status.CANCELLED


# --- waits ---------------------------------------------------------------------------------------


async def test_place_and_range_follow_live_capacity(app: App) -> None:
    ada = await make_actor(app)
    first = await submitted(app, ada)
    second = await submitted(app, ada)

    for view, ahead in ((first, 0), (second, 1)):
        wait = (await run_of(app, ada, view.id)).wait
        assert wait is not None
        assert (wait.position, wait.ahead, wait.start_high_s) == (ahead + 1, ahead, None)

    worker = uuid.uuid4()
    await beat(app, worker, slots=1)
    app.cache.clear()
    one = (await run_of(app, ada, second.id)).wait
    await beat(app, worker, slots=3)
    app.cache.clear()
    three = (await run_of(app, ada, second.id)).wait
    await dispatch.leave(app, worker)
    app.cache.clear()
    gone = (await run_of(app, ada, second.id)).wait

    assert one is not None
    assert one.start_high_s
    assert three is not None
    assert three.start_high_s == 0.0
    assert gone is not None
    assert gone.start_high_s is None


async def test_a_worker_that_fell_silent_is_no_capacity(app: App) -> None:
    await beat(app, uuid.uuid4(), slots=4)
    await rows(app, "UPDATE workers SET heartbeat_at = now() - interval '1 minute'")

    queues = {queue.gpu: queue for queue in await standings.queues(app)}

    assert queues["CPU"].slots == 0


async def test_measured_times_replace_the_guess(app: App) -> None:
    ada, worker = await make_actor(app), uuid.uuid4()
    for _ in range(5):
        await submitted(app, ada)
        await judge_one(app)
    app.cache.clear()
    await beat(app, worker, slots=1)

    await submitted(app, ada)
    await beat(app, worker, slots=1)  # a busy machine may have let it seem dead
    wait = (await submitted(app, ada)).runs[0].wait

    assert wait is not None
    assert wait.start_high_s is not None
    assert wait.start_high_s < 5.0


# --- steps ---------------------------------------------------------------------------------------


async def test_steps_resume_exactly_after_the_one_last_seen_and_following_ends(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)
    for done in range(1, 4):
        step = Event(kind="case", stage=Stage.CHECK, done=done, total=3)
        await dispatch.progress(app, held, step)
    await dispatch.finish(app, held, make_verdict())

    seen = [step async for step in submissions.follow(app, ada, view.id)]
    rest = [step async for step in submissions.follow(app, ada, view.id, after=seen[1].id)]

    assert [step.kind for step in seen] == ["started", "case", "case", "case", "finished", "done"]
    assert rest == seen[2:]
    ids = [step.id for step in seen[:-1]]
    assert ids == sorted(set(ids))


async def test_a_follower_sees_the_wait_then_each_step_and_then_the_end(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    seen: list[str] = []

    async def watch() -> None:
        async for step in submissions.follow(app, ada, view.id):
            seen.append(step.kind)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await until(lambda: "wait" in seen)
        held = await claim_one(app)
        await until(lambda: "started" in seen)
        await dispatch.finish(app, held, make_verdict())

    assert seen == ["wait", "started", "finished", "done"]


async def test_no_wait_is_told_behind_the_start_that_ended_it(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    await dispatch.finish(app, await claim_one(app), FAILED)
    steps = submissions.follow(app, ada, view.id)

    seen = [(await anext(steps)).kind]  # it has looked: the run waits
    await rows(app, "UPDATE pgqueuer SET execute_after = now()")
    held = await claim_one(app)
    seen += [(await anext(steps)).kind for _ in range(2)]
    rest = asyncio.create_task(anext(steps))
    await asyncio.wait({rest}, timeout=0.5)
    await dispatch.progress(app, held, Event(kind="stage", stage=Stage.BUILD))
    seen.append((await asyncio.wait_for(rest, 30)).kind)
    await steps.aclose()

    assert seen == ["started", "retry", "started", "stage"]


async def test_more_steps_than_one_reading_holds_are_all_told(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    await judge_one(app)
    await rows(
        app,
        "INSERT INTO run_events (submission_id, kind, data) "
        "SELECT :id, 'case', '{}' FROM generate_series(1, 1700)",
        id=view.id,
    )

    seen = [step.kind async for step in submissions.follow(app, ada, view.id)]

    assert seen.count("case") == 1700
    assert seen[-1] == "done"


async def test_no_step_becomes_visible_behind_one_that_was_already_read(app: App) -> None:
    """Two GPUs report at once: whatever the order of ids, a reader that goes on from the highest
    id it has seen misses nothing."""
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("CPU", "T4"))
    held = [await claim_one(app, gpu) for gpu in ("CPU", "T4")]
    seen: list[int] = []

    async def report(assignment: Assignment) -> None:
        for done in range(1, 41):
            step = Event(kind="case", stage=Stage.CHECK, done=done, total=40)
            assert await dispatch.progress(app, assignment, step)

    async def read(done: asyncio.Event) -> None:
        while True:
            last = done.is_set()
            steps = await submissions.events(app, view.id, seen[-1] if seen else 0)
            seen.extend(step.id for step in steps)
            if last and not steps:
                return

    finished = asyncio.Event()
    reader = asyncio.create_task(read(finished))
    await asyncio.gather(*(report(item) for item in held))
    finished.set()
    await reader

    assert len(seen) == 2 + 2 * 40


# --- many hands ----------------------------------------------------------------------------------


async def test_finishing_beating_reporting_and_cancelling_at_once_never_deadlocks(app: App) -> None:
    people = [await make_actor(app, f"p{i}") for i in range(4)]
    gpus = ("CPU", "T4", "L4", "H100")
    views = [await submitted(app, person, gpus=gpus) for person in people for _ in range(3)]
    random_order = random.Random(7)
    workers = {gpu: uuid.uuid4() for gpu in gpus}
    lost: list[str] = []

    async def insistently(say: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await say()
            except Unavailable as error:
                lost.append(repr(error.__cause__))

    async def work(gpu: str) -> None:
        while held := await insistently(lambda: dispatch.claim(app, workers[gpu], {gpu: 3})):
            await asyncio.gather(*(judge(gpu, item, held) for item in held))

    async def judge(gpu: str, item: Assignment, held: list[Assignment]) -> None:
        step = Event(kind="stage", stage=Stage.CHECK)
        await insistently(lambda: dispatch.progress(app, item, step))
        alive = await insistently(lambda: beat(app, workers[gpu], *held))
        if alive.get(item.run_id):
            await insistently(lambda: dispatch.cancelled(app, item))
        else:
            ns = random_order.uniform(1e5, 1e6)
            await insistently(lambda: dispatch.finish(app, item, make_verdict(ns=ns)))

    async def stop_some() -> None:
        for view in views[::3]:
            person = next(p for p in people if p.user_id == view.user_id)
            try:
                await insistently(lambda p=person, v=view: submit.cancel(app, p, v.id))  # type: ignore[misc]
            except Conflict:
                continue

    async with asyncio.timeout(100):
        await asyncio.gather(*(work(gpu) for gpu in gpus for _ in range(2)), stop_some())

    for view in views:
        person = next(p for p in people if p.user_id == view.user_id)
        now = await submissions.submission(app, person, view.id)
        assert now.status.final
        assert all(run.status.final for run in now.runs)
    assert (await rows(app, "SELECT count(*) FROM pgqueuer"))[0][0] == 0
    assert not [cause for cause in lost if "deadlock" in cause]


async def test_housekeeping_forgets_old_steps_dead_workers_and_folded_log(app: App) -> None:
    await submitted(app, await make_actor(app))
    await judge_one(app)
    await beat(app, uuid.uuid4())
    await dispatch.housekeeping(app)
    await rows(app, "UPDATE run_events SET created_at = now() - interval '8 days'")
    await rows(app, "UPDATE pgqueuer_log SET created = now() - interval '8 days'")
    await rows(app, "UPDATE workers SET heartbeat_at = now() - interval '2 days'")

    await asyncio.gather(*(dispatch.housekeeping(app) for _ in range(3)))

    for table in ("run_events", "pgqueuer_log", "workers"):
        assert (await rows(app, f"SELECT count(*) FROM {table}"))[0][0] == 0, table
