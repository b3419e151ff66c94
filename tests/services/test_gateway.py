"""The gateway: what machines may ask for, what is believed of what they say, who speaks for a run."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.submission import Status
from kernelbot.errors import Conflict, Forbidden, InvalidInput, KernelbotError, NotSignedIn
from kernelbot.judge import parcels
from kernelbot.judge.artefacts import PIECE_BYTES
from kernelbot.judge.protocol import (
    Artefact,
    Device,
    Event,
    Harness,
    Hint,
    Limits,
    Mode,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
)
from kernelbot.services import (
    artefacts,
    competitions,
    dispatch,
    gateway,
    runners,
    submissions,
    submit,
)
from kernelbot.services.views import RunView
from kernelbot.storage import queue
from tests.factories import CODE, claim_one, make_actor, make_measurement, make_verdict, submitted
from tests.patience import until
from tests.services.machines import CPU, administrator, h200, machine, never

LEASE_S = 60.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take seconds from a lease to what is said under it."""
    monkeypatch.setattr(gateway, "FIRST_LEASE_S", LEASE_S)


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def run_of(app: App, actor: Any, submission_id: int) -> RunView:
    return (await submissions.submission(app, actor, submission_id)).runs[0]


async def move_to(app: App, gpu: str, submission_id: int) -> None:
    """Have it wait for a GPU kind that the competition does not offer."""
    query = "UPDATE runs SET gpu = :gpu WHERE submission_id = :id RETURNING queue_id"
    ((queue_id,),) = await rows(app, query, gpu=gpu, id=submission_id)
    query = "UPDATE pgqueuer SET entrypoint = 'gpu:' || :gpu WHERE id = :id"
    await rows(app, query, gpu=gpu, id=queue_id)


async def fall_silent(app: App) -> None:
    """Time passes and nobody says anything."""
    await rows(app, "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")


# --- a run on a machine looks like one on a worker -----------------------------------------------


async def test_a_run_is_leased_kept_alive_and_recorded_with_the_machine_and_its_devices(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    box = await machine(app)

    held = await box.one()
    heard = await box.beat(held)
    found = await box.finish(held, box.verdict(held))

    assert heard.alive == {held.run_id: False}
    assert found.kind is VerdictKind.PASSED
    run = await run_of(app, ada, view.id)
    assert (run.status, run.kind, run.attempt) == (Status.DONE, VerdictKind.PASSED, 1)
    ((name, devices),) = await rows(
        app, "SELECT m.name, r.device_ids FROM runs r JOIN runners m ON m.id = r.runner_id"
    )
    assert (name, devices) == ("donor", ["cpu"])


async def test_what_travels_is_what_a_worker_would_judge(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()

    parcel = await gateway.package(app, await box.known(), box.session, held.run_id, held.lease)

    packed = parcels.open_job(parcel)
    work = await dispatch.assignment(app, box.session, held.run_id, held.lease)
    assert work is not None
    assert (packed.job, packed.submission) == (work.job, work.code)
    assert packed.problem_files == work.problem_files


async def test_a_run_that_a_worker_takes_over_is_no_machines_any_more(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    await box.beat(await box.one())
    await fall_silent(app)

    await claim_one(app)

    assert await rows(app, "SELECT runner_id, device_ids FROM runs") == [(None, None)]


async def test_a_live_machine_counts_as_capacity_and_a_drained_one_does_not(app: App) -> None:
    box = await machine(app)
    await box.beat()
    assert await rows(app, "SELECT host, slots FROM workers") == [("donor", {"CPU": 2})]

    await runners.drain(app, await administrator(app), "donor", drained=True)
    assert (await box.beat()).drained

    assert await rows(app, "SELECT slots FROM workers") == [({},)]


# --- leases --------------------------------------------------------------------------------------


async def test_the_first_lease_is_short_until_a_sign_of_life(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "FIRST_LEASE_S", LEASE_S / 3)
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()
    assert await _claimed(app) == []

    await _later(app, LEASE_S / 3)
    (again,) = await _claimed(app)

    assert (again.run_id, again.attempt) == (held.run_id, 2)


async def _later(app: App, seconds: float) -> None:
    """So much time passes in which nobody says anything."""
    query = "UPDATE pgqueuer SET heartbeat = heartbeat - make_interval(secs => :seconds)"
    await rows(app, query, seconds=seconds)


async def _claimed(app: App) -> list[dispatch.Assignment]:
    return await dispatch.claim(app, uuid.uuid4(), {"CPU": 1})


async def test_a_sign_of_life_makes_the_lease_a_whole_one(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "FIRST_LEASE_S", LEASE_S / 3)
    await submitted(app, await make_actor(app))
    box = await machine(app)
    await box.beat(await box.one())

    await _later(app, LEASE_S / 3)

    assert await _claimed(app) == []


async def test_who_lost_a_lease_is_told_so_whatever_they_say(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    slow, quick = await machine(app, "slow"), await machine(app, "quick")
    first = await slow.one()
    await fall_silent(app)
    second = await quick.one()

    async def say(what: Any) -> None:
        with pytest.raises(Conflict) as refused:
            await what
        assert refused.value.code == "lease_lost"

    assert (await slow.beat(first)).alive == {}
    await say(slow.finish(first, slow.verdict(first, VerdictKind.CRASHED)))
    known = await slow.known()
    await say(gateway.package(app, known, slow.session, first.run_id, first.lease))
    await say(gateway.cancelled(app, known, slow.session, first.run_id, first.lease))
    # Not by naming the lease of another machine either.
    await say(gateway.held(app, known, slow.session, second.run_id, second.lease))
    await quick.finish(second, quick.verdict(second))
    await say(quick.finish(second, quick.verdict(second)))
    assert (await run_of(app, ada, view.id)).kind is VerdictKind.PASSED
    assert await rows(app, "SELECT count(*) FROM verdicts") == [(1,)]


async def test_a_newer_process_of_a_machine_ends_the_older_ones_say(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()
    older = dataclasses.replace(box)
    await box.announce()

    for said in (older.lease(), older.beat(held), older.finish(held, older.verdict(held))):
        with pytest.raises(Conflict) as refused:
            await said
        assert refused.value.code == "session_lost"


async def test_a_poll_that_still_waits_takes_nothing_once_there_is_a_newer_one(app: App) -> None:
    box = await machine(app)
    waiting = asyncio.create_task(box.lease(wait_s=20))
    await until(lambda: rows(app, "SELECT 1 FROM runners WHERE poll = 1"))
    newer = asyncio.create_task(box.lease(wait_s=20))
    await until(lambda: rows(app, "SELECT 1 FROM runners WHERE poll = 2"))

    await submitted(app, await make_actor(app))

    with pytest.raises(Conflict):
        await waiting
    assert len((await newer).runs) == 1


async def test_a_client_that_has_gone_gets_nothing_and_costs_no_attempt(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    answers = iter([False, True])

    async def goes_while_it_is_given() -> bool:
        return next(answers, True)

    assert (await box.lease(gone=goes_while_it_is_given)).runs == ()

    held = await box.one()
    assert held.attempt == 1


async def test_what_an_answer_held_that_did_not_arrive_waits_again_at_once_and_costs_no_attempt(
    app: App,
) -> None:
    ada = await make_actor(app)
    for number in range(2):
        await submitted(app, ada, code=CODE + b"# %d" % number)
    box, another = await machine(app), await machine(app, "another")
    kept = await box.one()
    never_heard_of = await box.one()

    assert (await box.lease({"CPU": 0}, holds=[kept])).runs == ()
    again = await another.one()

    assert (again.run_id, again.attempt) == (never_heard_of.run_id, 1)
    assert (await box.beat(kept, never_heard_of)).alive == {kept.run_id: False}
    # Whoever says so of each answer does to the run what giving it back does, and no more.
    for _ in range(gateway.MOST_GIVEN_BACK):
        await another.lease({"CPU": 0}, holds=[])
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
        again = await another.one()
    assert again.attempt == 2


async def test_the_first_offer_with_work_is_taken_and_no_other(app: App) -> None:
    ada = await make_actor(app)
    await move_to(app, "H200", (await submitted(app, ada)).id)
    await submitted(app, ada)
    units = (CPU, *(h200(index) for index in range(4)))
    slots = {"CPU": 1, "H200": 4, "H200x4": 1}
    box = await machine(app, targets=tuple(slots), slots=slots, units=units)

    found = await box.lease({"H200x4": 1}, {"H200": 4, "CPU": 0}, {"CPU": 1})

    assert [run.gpu for run in found.runs] == ["H200"]
    assert (await box.lease({"H200x4": 1})).waiting == {"CPU": 1}


async def test_a_machine_is_given_no_more_than_it_announced_and_one_more_a_slot_at_most(
    app: App,
) -> None:
    for index in range(8):
        code = CODE + b"# %d" % index
        await submitted(app, await make_actor(app, f"u{index}"), code=code)
    nothing = await machine(app, "nothing", slots={}, units=())
    assert not (await nothing.lease({"CPU": 64})).runs
    box = await machine(app, slots={"CPU": 2})

    first = (await box.lease({"CPU": 64})).runs
    # Handing these in, it may judge the next.
    second = (await box.lease({"CPU": 64})).runs
    third = (await box.lease({"CPU": 64})).runs

    assert [len(runs) for runs in (first, second, third)] == [2, 2, 0]
    await box.finish(first[0], box.verdict(first[0]))
    assert len((await box.lease({"CPU": 64})).runs) == 1


async def test_a_machine_counts_as_the_capacity_that_it_announced_whatever_it_says_later(
    app: App,
) -> None:
    box = await machine(app, slots={"CPU": 1})
    for said, counts in (({"CPU": 64}, {"CPU": 1}), ({"CPU": 0}, {"CPU": 0})):
        await gateway.heartbeat(app, await box.known(), box.session, said, [], "")
        assert await rows(app, "SELECT slots FROM workers") == [(counts,)]


async def test_a_poll_takes_nothing_once_its_machine_is_drained_or_has_asked_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether it may and the claim."""
    await submitted(app, await make_actor(app))
    box = await machine(app)
    lease = dispatch.lease

    meanwhile = [
        "UPDATE runners SET drained = true",
        "UPDATE runners SET drained = false, poll = poll + 1",
    ]

    async def late(ctx: Any, *args: Any, **named: Any) -> Any:
        await rows(app, meanwhile.pop(0))
        return await lease(ctx, *args, **named)

    monkeypatch.setattr(dispatch, "lease", late)
    while meanwhile:
        assert not (await box.lease()).runs
        box.poll += 1
        await rows(app, "UPDATE runners SET drained = false")


async def test_work_comes_to_a_poll_that_waits_for_it(app: App) -> None:
    box = await machine(app)
    waiting = asyncio.create_task(box.lease(wait_s=20))
    await until(lambda: rows(app, "SELECT 1 FROM runners WHERE poll = 1"))

    view = await submitted(app, await make_actor(app))

    (held,) = (await asyncio.wait_for(waiting, 30)).runs
    assert held.submission_id == view.id


async def test_a_cancellation_travels_with_the_sign_of_life_and_is_obeyed_only_if_asked(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    box = await machine(app)
    held = await box.one()
    known = await box.known()
    with pytest.raises(Conflict, match="Nobody asked"):
        await gateway.cancelled(app, known, box.session, held.run_id, held.lease)

    await submit.cancel(app, ada, view.id)
    assert (await box.beat(held)).alive == {held.run_id: True}
    await gateway.cancelled(app, known, box.session, held.run_id, held.lease)

    assert (await submissions.submission(app, ada, view.id)).status is Status.CANCELLED


# --- what is believed ----------------------------------------------------------------------------

LYING: dict[str, dict[str, Any]] = {
    "another run": {"run_id": "999"},
    "another judge": {"harness": Harness(judge_digest="0" * 64, isolation="bubblewrap")},
    "a device that it never announced": {"device": Device(kind="cpu", name="a faster one")},
    "a device of another kind": {"device": Device(kind="cuda", name=CPU.name)},
    "no device at all": {"device": Device()},
}


@pytest.mark.parametrize("lie", LYING)
async def test_a_verdict_that_cannot_be_is_our_fault_and_is_tried_again(app: App, lie: str) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    box = await machine(app)
    held = await box.one()

    found = await box.finish(held, box.verdict(held, **LYING[lie]))

    assert found.kind is VerdictKind.JUDGE_FAILED
    assert "runner donor" in found.fault
    run = await run_of(app, ada, view.id)
    assert (run.status, run.kind) == (Status.QUEUED, None)
    assert await rows(app, "SELECT count(*) FROM verdicts") == [(0,)]


HOSTILE = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "deep": b"[" * 200_000,
    "a list": b"[]",
    "unknown field": b'{"kind": "passed", "admin": true}',
    "wrong type": b'{"kind": "passed", "cases": "all"}',
    "not a number": b'{"kind": "passed", "spent": {"wall_s": NaN}}',
    "infinite": b'{"kind": "passed", "spent": {"wall_s": 1e999}}',
    "a failure with times": json.dumps(
        {"kind": "crashed", "cases": [{"stage": "measure", "index": 0, "spec": "", "ok": True,
         "measurement": {"ns": 1, "low_ns": 1, "high_ns": 1, "stderr_ns": 0, "best_ns": 1,
                         "worst_ns": 1, "samples": 1, "clock": "host"}}]}
    ).encode(),
    "another protocol": b'{"kind": "passed", "protocol": 99}',
    "no kind": b"{}",
    "too large": b" " * (9 << 20),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_verdict_ends_nothing_but_this_attempt(app: App, name: str) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    box = await machine(app)
    held = await box.one()

    found = await box.finish(held, HOSTILE[name])

    assert found.kind is VerdictKind.JUDGE_FAILED
    assert (await run_of(app, ada, view.id)).status is Status.QUEUED


STRANGE: dict[str, list[dict[str, Any]]] = {
    "the same case twice": [{}, {}],
    "a case before the first": [{"index": -1}],
    "a case beyond counting": [{"index": 10**12}],
    "more samples than there are": [{"samples": 10**30}],
    "fewer than none": [{"samples": -1}],
    "a clock of its own": [{"clock": "x" * 1000}],
    "no time": [{"ns": 0.0, "stderr_ns": 0.0}],
    "hardly a time": [{"ns": 1e-300, "stderr_ns": 0.0}],
    "more time than there is": [{"ns": 1e300}],
    "an error over the time": [{"ns": 1e6, "stderr_ns": 1e9}],
    "an error beyond counting": [{"stderr_ns": 1e200}],
    "an error below nothing": [{"stderr_ns": -1.0}],
    "an interval beyond counting": [{"high_ns": 1e308}],
    "a best beyond counting": [{"best_ns": -1e308}],
    "a clock rate beyond counting": [{"sm_mhz": 1e308}],
    "power below nothing": [{"watts": -1.0}],
    "calls beyond counting": [{"calls": 10**30}],
}


@pytest.mark.parametrize("name", STRANGE)
async def test_figures_that_no_judge_measures_are_our_fault_and_stop_no_recording(
    app: App, name: str
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    box = await machine(app)
    held = await box.one()
    fine = box.verdict(held)
    cases = [
        dataclasses.replace(
            fine.cases[-1],
            index=changed.pop("index", 0),
            measurement=dataclasses.replace(make_measurement(), **changed),
        )
        for changed in map(dict, STRANGE[name])
    ]

    found = await box.finish(held, dataclasses.replace(fine, cases=tuple(cases)))

    assert "no judge measures" in found.fault
    assert (await run_of(app, ada, view.id)).status is Status.QUEUED


@pytest.mark.parametrize(
    "changed",
    [
        {"spent": Spent(wall_s=1e308)},
        {"spent": Spent(device_s=-1.0)},
        {"device": Device(kind="cpu", name=CPU.name, memory_bytes=1 << 90)},
    ],
)
async def test_seconds_and_sizes_that_cannot_be_are_our_fault_and_leave_views_readable(
    app: App, changed: dict[str, Any]
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="ranked")
    box = await machine(app)
    held = await box.one()

    found = await box.finish(held, box.verdict(held, **changed))

    assert "no judge measures" in found.fault
    assert (await run_of(app, ada, view.id)).status is Status.QUEUED


MANY: dict[str, Callable[[Verdict], Verdict]] = {
    "cases": lambda fine: replace(fine, cases=(replace(fine.cases[0], measurement=None),) * 5000),
    "hints": lambda fine: replace(fine, hints=(Hint(rule="r", line=1, text=""),) * 5000),
    "files": lambda fine: replace(
        fine, artefacts=(Artefact(name="n", bytes=1, media_type=""),) * 5000
    ),
    "fences": lambda fine: replace(fine, harness=replace(fine.harness, fences=("f",) * 5000)),
}


@pytest.mark.parametrize("what", MANY)
async def test_a_verdict_with_more_entries_than_a_judge_has_is_not_read_on(
    app: App, what: str
) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()

    found = await box.finish(held, MANY[what](box.verdict(held)))

    assert "over the limit of" in found.fault


async def test_a_run_is_not_held_for_ever_by_saying_that_it_is_alive(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()
    assert (await box.beat(held)).alive == {held.run_id: False}

    query = "UPDATE runs SET started_at = started_at - make_interval(secs => :s)"
    await rows(app, query, s=gateway.LONGEST_HOLD_S)

    assert (await box.beat(held)).alive == {}


async def test_a_run_of_a_problem_with_long_limits_is_held_for_as_long_as_they_take(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()
    stored = competitions.stored

    async def long(*args: Any) -> Any:
        limits = Limits(build_s=600.0, check_s=3600.0, measure_s=3600.0)
        return replace(await stored(*args), cpu_limits=limits)

    monkeypatch.setattr(competitions, "stored", long)
    query = "UPDATE runs SET started_at = now() - make_interval(secs => :s)"
    await rows(
        app, query, s=parcels.deadline_s(Limits(build_s=600.0, check_s=3600, measure_s=3600))
    )
    assert (await box.beat(held)).alive == {held.run_id: False}

    await rows(app, query, s=30_000)
    assert (await box.beat(held)).alive == {}


@pytest.mark.parametrize("said", [(), ("no such device",)])
async def test_a_run_of_which_nobody_says_where_it_is_judged_counts_for_all_devices_that_fit(
    app: App, said: tuple[str, ...]
) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app, units=(CPU, h200(0)))
    held = await box.one()
    await box.beat(held, devices=said)

    await box.finish(held, b"nonsense")

    assert await rows(app, "SELECT device_ids FROM runs") == [([CPU.id],)]
    query = "SELECT device, length(outcomes) FROM devices ORDER BY device"
    assert await rows(app, query) == [("GPU-0", 0), (CPU.id, 1)]


async def test_a_device_that_no_run_of_its_kind_is_judged_on_is_not_named_for_it(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app, units=(CPU, h200(0)))
    held = await box.one()
    await box.beat(held, devices=("GPU-0",))
    assert await rows(app, "SELECT device_ids FROM runs") == [(None,)]
    await box.beat(held, devices=(CPU.id, "GPU-0"))
    assert await rows(app, "SELECT device_ids FROM runs") == [([CPU.id],)]


async def test_a_run_that_is_given_back_again_and_again_ends_as_a_fault_of_ours(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    box = await machine(app)
    for _ in range(gateway.MOST_GIVEN_BACK):
        held = await box.one()
        assert held.attempt == 1
        await gateway.give_back(app, held)
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")  # its pause is over
    for _ in range((gateway.MOST_GIVEN_BACK + 1) * app.settings.attempts):
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
        if found := (await box.lease()).runs:
            await gateway.give_back(app, found[0])

    assert (await run_of(app, ada, view.id)).kind is VerdictKind.JUDGE_FAILED


async def test_what_ended_before_it_met_a_device_is_believed_and_an_answer_is_not(
    app: App,
) -> None:
    ada = await make_actor(app)
    box = await machine(app)
    kinds = []
    for kind in (VerdictKind.BUILD_FAILED, VerdictKind.WRONG_ANSWER):
        await submitted(app, ada, code=f"import torch  # {kind}".encode())
        held = await box.one()
        harness = Harness(judge_digest=runners.own_judge(app), isolation="not-run")
        said = box.verdict(held, kind, device=Device(), harness=harness)
        kinds.append((await box.finish(held, said)).kind)

    assert kinds == [VerdictKind.BUILD_FAILED, VerdictKind.JUDGE_FAILED]


async def test_several_devices_must_be_as_many_as_the_problem_has_ranks(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = tuple(h200(index) for index in range(4))
    box = await machine(app, targets=("H200x4",), slots={"H200x4": 1}, units=units)
    await move_to(app, "H200x4", (await submitted(app, await make_actor(app), mode="test")).id)
    held = await box.one("H200x4")
    await box.beat(held, devices=[unit.id for unit in units] + ["GPU-of-a-stranger"])
    two = Device(kind="cuda", name="NVIDIA H200", count=2)
    stored = competitions.stored
    ranks = 3

    async def on_several(*args: Any) -> Any:
        return replace(await stored(*args), world_size=ranks)

    monkeypatch.setattr(competitions, "stored", on_several)
    found = await box.finish(held, box.verdict(held, device=two))

    assert "of 2 devices" in found.fault
    ((named,),) = await rows(app, "SELECT device_ids FROM runs")
    assert sorted(named) == [unit.id for unit in units]

    # On a machine with more devices than that a run sees no others.
    ranks = 2
    await rows(app, "UPDATE pgqueuer SET execute_after = now()")
    held = await box.one("H200x4")
    assert (await box.finish(held, box.verdict(held, device=two))).kind is VerdictKind.PASSED


# --- who may come --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"slots": {"H200": 3}}, "wrong_device"),
        ({"units": (h200(0, "NVIDIA H100"), h200(1)), "slots": {"H200": 2}}, "wrong_device"),
        ({"slots": {"H200x4": 1}}, "wrong_device"),
        ({"slots": {"B200": 1}}, "foreign_target"),
        ({"slots": {"CPU": 1}}, "foreign_target"),
        ({"tree": "0" * 64}, "stale_judge"),
        ({"judge_digest": "0" * 64}, "stale_judge"),
        ({"isolation": "hope"}, "weak_fence"),
        ({"units": (h200(0), h200(0))}, "bad_announcement"),
    ],
)
async def test_what_a_machine_cannot_prove_it_is_not_announced_with(
    app: App, changes: dict[str, Any], code: str
) -> None:
    fine: dict[str, Any] = {"slots": {"H200": 2}, "units": (h200(0), h200(1))}
    box = await machine(app, targets=("H200", "H200x4"), **fine)

    with pytest.raises(KernelbotError) as refused:
        await box.announce(**{**fine, **changes})

    assert refused.value.code == code


async def test_a_machine_does_not_fill_the_list_of_devices_with_new_ones(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "MOST_DEVICES", 4)
    box = await machine(app, targets=("H200",), slots={}, units=(h200(0), h200(1)))
    await box.announce(slots={}, units=(h200(2), h200(1), h200(3)))

    with pytest.raises(Conflict, match="4 devices"):
        await box.announce(slots={}, units=(h200(4),))

    assert await rows(app, "SELECT count(*) FROM devices") == [(4,)]
    await box.announce(slots={}, units=(h200(0),))
    await machine(app, "another", targets=("H200",), slots={}, units=(h200(5),))


async def test_a_fence_must_be_as_strong_as_the_server_demands(app: App) -> None:
    strict = dataclasses.replace(
        app, settings=app.settings.model_copy(update={"isolation": "fenced"})
    )
    with pytest.raises(Conflict, match="demands 'fenced'"):
        await machine(strict, isolation="processes")
    box = await machine(strict, "second", isolation="user")
    await submitted(strict, await make_actor(strict))
    held = await box.one()
    bare = Harness(judge_digest=runners.own_judge(app), isolation="processes")

    found = await box.finish(held, box.verdict(held, harness=bare))

    assert "the fence was 'processes'" in found.fault


async def test_a_machine_is_told_when_its_fence_does_not_do_any_more(app: App) -> None:
    box = await machine(app, isolation="processes")
    assert not (await box.beat()).stale

    settings = app.settings.model_copy(update={"isolation": "fenced"})
    box.app = dataclasses.replace(app, settings=settings)  # the server was started anew

    assert (await box.beat()).stale


async def test_no_work_is_given_for_a_target_that_the_token_is_not_for(app: App) -> None:
    box = await machine(app)
    with pytest.raises(Forbidden):
        await box.lease({"H200": 1})


async def test_a_machine_with_another_version_of_the_judge_gets_no_work(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    known = app.cache["agent tree"]
    app.cache["agent tree"] = replace(known, digest="1" * 64)  # the server was updated

    assert (await box.beat()).stale
    with pytest.raises(Conflict) as refused:
        await box.lease()
    assert refused.value.code == "stale_judge"


async def test_a_drained_machine_ends_what_it_has_and_gets_nothing_more(app: App) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)
    box = await machine(app)
    held = await box.one()
    await runners.drain(app, await administrator(app), "donor", drained=True)
    await submitted(app, ada)

    found = await box.lease(wait_s=20)
    assert (found.runs, found.drained) == ((), True)
    assert (await box.finish(held, box.verdict(held))).kind is VerdictKind.PASSED

    await runners.drain(app, await administrator(app), "donor", drained=False)
    assert await box.one()


async def test_a_revoked_machine_is_nobody_and_what_it_held_goes_to_another(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()
    await runners.revoke(app, await administrator(app), "donor")

    for said in (box.lease(), box.beat(held), box.finish(held, box.verdict(held)), box.announce()):
        with pytest.raises(NotSignedIn) as refused:
            await said
        assert refused.value.code == "revoked_token"
    await fall_silent(app)
    assert (await claim_one(app)).run_id == held.run_id
    # The name is free again.
    await machine(app, "donor")


async def test_a_machine_that_is_revoked_while_it_waits_for_work_learns_why(app: App) -> None:
    box = await machine(app)
    waiting = asyncio.create_task(box.lease(wait_s=20))
    await until(lambda: rows(app, "SELECT 1 FROM runners WHERE poll = 1"))

    await runners.revoke(app, await administrator(app), "donor")

    with pytest.raises(NotSignedIn) as refused:
        await asyncio.wait_for(waiting, 30)
    assert refused.value.code == "revoked_token"


async def test_who_is_revoked_between_the_door_and_the_work_learns_why(app: App) -> None:
    box = await machine(app)
    known = await box.known()
    await runners.revoke(app, await administrator(app), "donor")

    for said in (
        gateway.lease(app, known, box.session, 1, ({"CPU": 1},), 0.0, never),
        gateway.heartbeat(app, known, box.session, {"CPU": 1}, (), ""),
    ):
        with pytest.raises(NotSignedIn) as refused:
            await said
        assert refused.value.code == "revoked_token"


async def test_only_the_digest_of_a_token_is_stored(app: App) -> None:
    box = await machine(app)
    ((row,),) = await rows(app, "SELECT runners::text FROM runners")
    assert box.secret not in row
    with pytest.raises(NotSignedIn):
        await runners.authenticate(app, box.secret[:-1])


# --- files ---------------------------------------------------------------------------------------


async def profiled(app: App) -> tuple[Any, Any, Any]:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    box = await machine(app)
    held = await box.one()
    return ada, view, (box, held)


def with_files(verdict: Any, **sizes: int) -> Any:
    listed = tuple(
        Artefact(name=name, bytes=size, media_type="application/json")
        for name, size in sizes.items()
    )
    return dataclasses.replace(verdict, artefacts=listed, cases=verdict.cases[:1])


async def test_files_come_in_pieces_in_any_order_and_twice(app: App) -> None:
    ada, view, (box, held) = await profiled(app)
    content = bytes(range(256)) * (PIECE_BYTES // 256) + b"the end"
    for piece in (1, 0, 1):
        part = content[piece * PIECE_BYTES :][:PIECE_BYTES]
        await artefacts.receive(app, held, "report.json", piece, part)

    await box.finish(held, with_files(box.verdict(held), **{"report.json": len(content)}))

    found, pieces = await artefacts.opened(app, ada, view.id, "CPU-report.json")
    assert b"".join([piece async for piece in pieces]) == content
    assert (found.bytes, found.media_type) == (len(content), "application/json")


async def test_files_that_are_not_whole_or_not_listed_are_dropped(app: App) -> None:
    ada, view, (box, held) = await profiled(app)
    await artefacts.receive(app, held, "short.json", 0, b"x" * 9)
    await artefacts.receive(app, held, "gap.json", 1, b"x" * 10)
    await artefacts.receive(app, held, "unlisted.json", 0, b"x")
    await artefacts.receive(app, held, "good.json", 0, b"x" * 10)

    sizes = {"short.json": 10, "gap.json": PIECE_BYTES + 10, "good.json": 10, "absent.json": 3}
    await box.finish(held, with_files(box.verdict(held), **sizes))

    found = await artefacts.listed(app, ada, view.id)
    assert [item.name for item in found] == ["CPU-good.json"]


@pytest.mark.parametrize(
    ("name", "piece", "size"),
    [
        ("../x", 0, 1), ("/etc/x", 0, 1), (".hidden", 0, 1), ("x" * 101, 0, 1), ("a/b", 0, 1),
        ("big", 0, PIECE_BYTES + 1), ("far", 64, 1), ("empty", 1, 0), ("far", 1 << 19, 1),
    ],
)  # fmt: skip
async def test_a_file_that_no_run_may_leave_is_refused(
    app: App, name: str, piece: int, size: int
) -> None:
    _, _, (_, held) = await profiled(app)
    with pytest.raises(InvalidInput):
        await artefacts.receive(app, held, name, piece, b"x" * size)
    assert await rows(app, "SELECT count(*) FROM artefacts") == [(0,)]


async def test_a_run_leaves_so_many_files_and_only_a_profile_any(app: App) -> None:
    _, _, (_, held) = await profiled(app)
    for number in range(16):
        await artefacts.receive(app, held, f"file-{number}", 0, b"x")
    with pytest.raises(InvalidInput, match="keeps 16 files"):
        await artefacts.receive(app, held, "file-16", 0, b"x")
    with pytest.raises(InvalidInput, match="Only a profile"):
        await artefacts.receive(app, dataclasses.replace(held, mode=Mode.RANKED), "file-0", 0, b"x")


async def test_the_files_of_a_run_have_a_limit_together(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "MAX_BYTES", 100)
    _, _, (_, held) = await profiled(app)
    for _ in range(3):  # one that comes again counts once
        await artefacts.receive(app, held, "first", 0, b"x" * 60)
    await artefacts.receive(app, held, "second", 63, b"x" * 40)
    with pytest.raises(InvalidInput, match="100 bytes together"):
        await artefacts.receive(app, held, "third", 0, b"x")
    assert await rows(app, "SELECT name FROM artefacts ORDER BY id") == [("first",), ("second",)]


async def test_files_end_with_the_lease_that_they_came_under(app: App) -> None:
    _, _, (box, held) = await profiled(app)
    await artefacts.receive(app, held, "given-back", 0, b"x")
    await gateway.give_back(app, held)
    assert await rows(app, "SELECT name FROM artefacts") == []
    with pytest.raises(Conflict):
        await artefacts.receive(app, held, "late", 0, b"x")
    held = await box.one()
    await artefacts.receive(app, held, "silent", 0, b"x")
    await fall_silent(app)
    held = await box.one()
    await artefacts.receive(app, held, "new", 0, b"x")
    assert await rows(app, "SELECT name FROM artefacts") == [("new",)]


async def test_a_file_that_comes_while_the_verdict_is_recorded_is_not_kept(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, (box, held) = await profiled(app)
    await artefacts.receive(app, held, "good.json", 0, b"x" * 10)
    finish = dispatch.finish

    async def late(ctx: Any, *args: Any, **named: Any) -> bool:
        await artefacts.receive(app, held, "late.json", 0, b"x")
        return await finish(ctx, *args, **named)

    monkeypatch.setattr(dispatch, "finish", late)
    await box.finish(held, with_files(box.verdict(held), **{"good.json": 10}))
    assert await rows(app, "SELECT name FROM artefacts WHERE kept") == [("good.json",)]


async def test_a_judge_that_failed_need_not_know_its_device(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held = await box.one()
    said = make_verdict(VerdictKind.JUDGE_FAILED, run_id=held.run_id)

    found = await box.finish(held, dataclasses.replace(said, fault="x" * 100_000, device=Device()))

    assert found.kind is VerdictKind.JUDGE_FAILED
    assert len(found.fault) == gateway.MAX_FAULT_CHARACTERS


def test_the_end_of_a_run_is_no_work_for_those_who_wait() -> None:
    word = '{"channel" : "ch_pgqueuer", "operation" : "%s", "type" : "table_changed_event"}'

    assert queue.is_end(word % "delete")
    assert not queue.is_end(word % "insert")
    assert not queue.is_end(""), "whoever could not listen for a while looks"


# --- what a machine may cost ---------------------------------------------------------------------


async def test_steps_of_a_machine_that_tells_thousands_are_few_rows(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "STEPS_AT_ONCE", 5.0)
    monkeypatch.setattr(gateway, "STEPS_A_SECOND", 0.0)
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held, known = await box.one(), await box.known()

    for request in range(20):
        many = [
            Event(kind="case", stage=stage, done=number, total=100)
            for stage in (Stage.CHECK, Stage.MEASURE)
            for number in range(50 * request % 100)
        ]
        await gateway.progress(app, known, box.session, held.run_id, held.lease, many)

    told = await rows(app, "SELECT data->>'done' FROM run_events WHERE kind = 'case' ORDER BY id")
    assert 0 < len(told) <= 5, "of each stage the last of a request, until they are too many"
    assert (await box.finish(held, box.verdict(held))).kind is VerdictKind.PASSED


async def test_of_steps_that_are_too_many_the_last_are_told_in_order_and_a_lost_run_is_said(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "STEPS_AT_ONCE", 1.0)
    monkeypatch.setattr(gateway, "STEPS_A_SECOND", 0.0)
    await submitted(app, await make_actor(app))
    box = await machine(app)
    held, known = await box.one(), await box.known()

    def step(stage: Stage, done: int) -> Event:
        return Event(kind="case", stage=stage, done=done, total=9)

    mixed = [step(Stage.CHECK, 1), step(Stage.MEASURE, 2), step(Stage.CHECK, 3)]
    await gateway.progress(app, known, box.session, held.run_id, held.lease, mixed)
    await gateway.progress(app, known, box.session, held.run_id, held.lease, mixed)

    assert await rows(app, "SELECT data->>'done' FROM run_events WHERE kind = 'case'") == [("3",)]
    with pytest.raises(Conflict):
        await gateway.progress(app, known, box.session, held.run_id, uuid.uuid4(), mixed)


async def test_who_gives_a_run_back_again_and_again_gets_it_after_longer_pauses(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    pauses = []
    for _ in range(3):
        held = await box.one()
        hold = await gateway.held(app, await box.known(), box.session, held.run_id, held.lease)
        await gateway.give_back(app, hold)
        ((pause_s,),) = await rows(
            app, "SELECT extract(epoch FROM execute_after - updated)::float FROM pgqueuer"
        )
        pauses.append(pause_s)
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")

    assert pauses[0] <= 0 < pauses[1] < pauses[2]
    assert held.attempt == 1


async def test_an_empty_file_of_a_profile_is_kept(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    box = await machine(app)
    held, known = await box.one(), await box.known()
    hold = await gateway.held(app, known, box.session, held.run_id, held.lease)

    await artefacts.receive(app, hold, "log.txt", 0, b"")
    listed = (Artefact(name="log.txt", bytes=0, media_type="text/plain"),)
    await box.finish(held, box.verdict(held, artefacts=listed))

    (found,) = await artefacts.listed(app, ada, view.id)
    assert (found.name, found.bytes, found.expired_at) == ("CPU-log.txt", 0, None)
