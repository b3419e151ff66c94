"""Canaries: who has one when, what they say of a device, what follows for it, its results and everybody."""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain import canary
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Rejudged
from kernelbot.errors import Conflict, Forbidden, NotFound
from kernelbot.judge import parcels
from kernelbot.judge.protocol import (
    CaseResult,
    Device,
    Harness,
    Measurement,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
    dump,
    machine_failed,
)
from kernelbot.launchers.base import Package
from kernelbot.services import (
    canaries,
    dispatch,
    gateway,
    health,
    machines,
    rejudge,
    runners,
    standings,
)
from kernelbot.services.canaries import Offered
from tests.factories import (
    claim_one,
    judge_one,
    make_actor,
    make_measurement,
    make_verdict,
    submitted,
)
from tests.services.machines import CPU as AGENTS_CPU
from tests.services.machines import Machine, administrator, h200, machine

CPU = Offered(id="cpu@box", kind="cpu", name="a processor", gpus=("CPU",))
GPU = Offered(id="GPU-7", kind="cuda", name="NVIDIA H200", gpus=("H200",))


@pytest.fixture
def app(app: App) -> App:
    """One in which canaries are due every hour."""
    return dataclasses.replace(app, settings=app.settings.model_copy(update={"canary_s": 3600.0}))


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


def timed(stream_s: float = 1e-4, product_s: float = 2e-4, mhz: float = 1980.0) -> Verdict:
    """A canary that passed."""

    def case(index: int, seconds: float) -> CaseResult:
        found: Measurement = dataclasses.replace(make_measurement(seconds * 1e9), sm_mhz=mhz)
        return CaseResult(stage=Stage.MEASURE, index=index, spec="", ok=True, measurement=found)

    return Verdict(
        kind=VerdictKind.PASSED,
        stage=Stage.MEASURE,
        cases=(case(0, stream_s), case(1, product_s)),
        device=Device(name="NVIDIA H200", driver="580.1"),
        harness=Harness(judge_digest="0" * 64, torch="2.9"),
    )


async def later(app: App, seconds: float = 7200.0) -> None:
    """So much time passes for devices and their canaries."""
    shift = f"- make_interval(secs => {seconds})"
    await rows(
        app,
        f"UPDATE canaries SET started_at = started_at {shift}, finished_at = finished_at {shift}, "
        f"due_by = due_by {shift}",
    )
    await rows(
        app,
        f"UPDATE devices SET band_from = band_from {shift}, created_at = created_at {shift}, "
        f"last_run_at = last_run_at {shift}, quarantined_at = quarantined_at {shift}",
    )


async def one(app: App, found: Verdict, unit: Offered = GPU) -> None:
    """A canary of this device that is due, and what came of it."""
    errand = await canaries.due(app, None, {unit.id})
    assert errand is not None
    assert await canaries.finish(app, None, errand.id, errand.lease, found)


async def grown(app: App, unit: Offered = GPU, count: int = canary.LEAST) -> None:
    """The device with so many good canaries."""
    await canaries.register(app, None, "box", [unit])
    for _ in range(count):
        await one(app, timed(), unit)
        await later(app)


async def the_device(app: App) -> machines.DeviceView:
    (found,) = await machines.listed(app, await administrator(app))
    return found


async def judged_on(app: App, unit: Offered, **changes: object) -> int:
    """A ranked run of somebody that this device judged; its submission."""
    view = await submitted(app, await make_actor(app), **changes)
    held = await claim_one(app)
    await canaries.judged_by(app, held.run_id, held.lease, [unit.id])
    assert await dispatch.finish(app, held, make_verdict())
    return view.id


# --- when ----------------------------------------------------------------------------------------


async def test_a_device_has_a_canary_when_it_comes_and_then_on_schedule(app: App) -> None:
    await canaries.register(app, None, "box", [GPU])

    await one(app, timed())

    assert await canaries.due(app, None, {GPU.id}) is None
    await later(app)
    assert await canaries.due(app, None, {GPU.id}) is not None


async def test_a_client_that_has_gone_gets_no_canary_and_the_next_one_does(app: App) -> None:
    box = await machine(app)
    answers = iter([False, True])

    async def goes_while_it_is_given() -> bool:
        return next(answers, True)

    assert (await box.lease(free=["cpu"], gone=goes_while_it_is_given)).canary is None
    assert (await box.lease(free=["cpu"])).canary is not None


async def test_of_two_who_ask_at_once_one_begins_it_and_who_says_nothing_loses_it(app: App) -> None:
    await canaries.register(app, None, "box", [GPU])
    errand = await canaries.due(app, None, {GPU.id})
    assert errand is not None
    assert await canaries.due(app, None, {GPU.id}) is None

    await later(app)

    again = await canaries.due(app, None, {GPU.id})
    assert again is not None
    assert await canaries.finish(app, None, again.id, again.lease, timed())
    assert not await canaries.finish(app, None, again.id, uuid.uuid4(), timed())


async def test_after_idle_time_a_canary_comes_before_ranked_work_and_not_before_tests(
    app: App,
) -> None:
    await canaries.register(app, None, "box", [CPU])
    await one(app, timed(), CPU)
    await later(app, 1000.0)
    ada = await make_actor(app)
    await submitted(app, ada, mode="test")
    assert await canaries.due(app, None, {CPU.id}) is None

    await submitted(app, ada)

    assert await canaries.due(app, None, {CPU.id}) is not None


async def test_who_has_just_judged_is_not_idle(app: App) -> None:
    await canaries.register(app, None, "box", [CPU])
    await one(app, timed(), CPU)
    await later(app, 1000.0)
    await judged_on(app, CPU)
    await submitted(app, await make_actor(app))
    assert await canaries.due(app, None, {CPU.id}) is None


async def test_there_are_no_canaries_where_none_are_wanted(app: App) -> None:
    quiet = dataclasses.replace(app, settings=app.settings.model_copy(update={"canary_s": 0.0}))
    await canaries.register(quiet, None, "box", [GPU])
    assert await canaries.due(quiet, None, {GPU.id}) is None


async def test_a_canary_that_was_ended_early_says_nothing(app: App) -> None:
    await canaries.register(app, None, "box", [GPU])
    errand = await canaries.due(app, None, {GPU.id})
    assert errand is not None
    await canaries.drop(app, errand)
    assert await rows(app, "SELECT id FROM canaries") == []


# --- out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ([timed(stream_s=1.2e-4)] * 2, "stream takes 120.0 µs, +20.0%"),
        ([timed(mhz=1400.0)] * 2, "clock is 1400 MHz"),
        ([make_verdict(VerdictKind.WRONG_ANSWER)], "wrong answer"),
        ([make_verdict(VerdictKind.JUDGE_FAILED)] * 2, "judge failed"),
    ],
    ids=["slow memory", "low clock", "wrong once", "failing"],
)
async def test_a_device_that_leaves_its_band_takes_no_run_and_everybody_is_told_once(
    app: App, bad: Sequence[Verdict], word: str
) -> None:
    await grown(app)

    for found in bad:
        await one(app, found)
    assert await canaries.watch(app) == 0

    shut = await canaries.alive(app, None, {GPU.id})
    assert word in shut[GPU.id]
    view = await the_device(app)
    assert (view.state, word in view.reason) == ("quarantined", True)
    ((topic, payload),) = await rows(app, "SELECT topic, payload FROM outbox")
    assert (topic, payload["gpus"], payload["state"]) == ("notice", ["H200"], "out")
    (notice,) = await canaries.notices(app)
    assert notice.text.startswith("H200: NVIDIA H200 is out of service")
    assert "box" not in notice.text


async def test_one_bad_canary_is_repeated_at_once_and_a_good_one_forgives_it(app: App) -> None:
    await grown(app)
    await one(app, timed(stream_s=1.2e-4))
    assert (await the_device(app)).state == "ready"

    await one(app, timed())

    assert await canaries.due(app, None, {GPU.id}) is None
    assert await canaries.alive(app, None, {GPU.id}) == {}


async def test_under_another_driver_times_compare_with_nothing(app: App) -> None:
    await grown(app)
    other = timed(stream_s=2e-4)
    await one(app, dataclasses.replace(other, device=Device(name="NVIDIA H200", driver="590.0")))
    assert (await the_device(app)).canary_good


async def test_ranked_results_since_the_last_good_canary_are_judged_again_at_no_cost(
    app: App,
) -> None:
    await canaries.register(app, None, "box", [CPU])
    early = await judged_on(app, CPU)
    await later(app)
    await rows(app, "UPDATE runs SET finished_at = finished_at - interval '1 day'")
    for _ in range(canary.LEAST):
        await one(app, timed(), CPU)
        await later(app)
    late = await judged_on(app, CPU, code=b"import torch\ndef custom_kernel(data): ...\n")
    elsewhere = await submitted(app, await make_actor(app), code=b"x = 1\n")
    assert await dispatch.finish(app, await claim_one(app), make_verdict())

    for _ in range(canary.STRIKES):
        await one(app, timed(stream_s=5e-3), CPU)

    found = (await rejudge.results(app, await administrator(app))).items
    assert [(item.submission_id, item.state) for item in found] == [(late, Rejudged.QUEUED)]
    assert late not in (early, elsewhere.id)
    ((payload,),) = await rows(app, "SELECT payload FROM outbox WHERE topic = 'notice'")
    assert "One ranked result is judged again at no cost" in payload["text"]
    await claim_one(app)  # by whoever has another device


async def test_what_a_sick_device_measured_counts_until_another_has_measured_it_and_no_longer(
    app: App,
) -> None:
    await grown(app, CPU)
    await judged_on(app, CPU, code=b"import torch\ndef custom_kernel(data): ...\n")
    for _ in range(canary.STRIKES):
        await one(app, timed(stream_s=5e-3), CPU)
    ada, admin = await make_actor(app), await administrator(app)
    assert [item.entry.seconds for item in await on_board(app)] == [pytest.approx(1e-3)]

    await judge_one(app, make_verdict(ns=2e6))

    (found,) = (await rejudge.results(app, admin)).items
    assert (found.state, found.counted) == (Rejudged.AGREES, None)
    (item,) = await on_board(app)
    assert (item.entry.seconds, item.entry.runs) == (pytest.approx(2e-3), 1)
    history = (await standings.history(app, ada, "vectoradd", "CPU")).items
    assert [best.seconds for best in history] == [pytest.approx(2e-3)]


async def on_board(app: App) -> Sequence[Any]:
    return (await standings.board(app, await make_actor(app), "vectoradd", "CPU")).standings


async def test_whoever_comes_next_finishes_what_a_killed_process_began(app: App) -> None:
    await canaries.register(app, None, "box", [CPU])
    sent = await judged_on(app, CPU)
    await rows(app, "UPDATE devices SET quarantined_at = now(), reason = 'slow', quarantines = 1")

    assert [await canaries.watch(app), await canaries.watch(app)] == [1, 0]

    found = (await rejudge.results(app, await administrator(app))).items
    assert [item.submission_id for item in found] == [sent]


async def test_a_device_whose_runs_fail_by_our_fault_is_out_and_a_broken_problem_takes_none_out(
    app: App,
) -> None:
    await canaries.register(app, None, "box", [CPU])

    people = [await make_actor(app) for _ in range(canary.LEAST_FAULTS)]
    await fail(app, "problem: reference.py raised", people)
    assert (await the_device(app)).state == "ready"
    await fail(app, "no space left on device", people)
    view = await the_device(app)
    assert view.reason == "5 of its last 5 runs ended by our fault"

    for _ in range(canary.GOOD_AGAIN):
        assert (await the_device(app)).state == "quarantined"
        await later(app, canary.SICK_EVERY_S)
        await one(app, timed(), CPU)
    assert (await the_device(app)).state == "ready"


async def fail(app: App, fault: str, people: Iterable[Actor]) -> None:
    """A run of each of these in turn that ends by our fault."""
    for actor in people:
        await submitted(app, actor, mode="test")
        held = await claim_one(app)
        await canaries.judged_by(app, held.run_id, held.lease, [CPU.id])
        broken = dataclasses.replace(make_verdict(VerdictKind.JUDGE_FAILED), fault=fault)
        assert await dispatch.finish(app, held, broken)
        await rows(app, "DELETE FROM pgqueuer")


async def test_what_fails_of_one_or_two_people_takes_no_device_out_however_often(app: App) -> None:
    await canaries.register(app, None, "box", [CPU])
    ada, bob, eve = [await make_actor(app) for _ in range(canary.LEAST_PEOPLE)]
    await fail(app, "no space left on device", [ada, bob] * canary.LEAST_FAULTS)
    assert (await the_device(app)).state == "ready"
    await fail(app, "no space left on device", [eve])
    assert (await the_device(app)).state == "quarantined"


async def test_one_submission_that_fails_again_and_again_is_one_failure(app: App) -> None:
    await canaries.register(app, None, "box", [CPU])
    await submitted(app, await make_actor(app), mode="test")
    for _ in range(4):
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
        held = await claim_one(app)
        await canaries.judged_by(app, held.run_id, held.lease, [CPU.id])
        assert await dispatch.finish(app, held, make_verdict(VerdictKind.JUDGE_FAILED))
    assert (await the_device(app)).outcomes == "x"


# --- in ------------------------------------------------------------------------------------------


async def test_good_canaries_in_a_row_let_a_device_in_again(app: App) -> None:
    await grown(app)
    for _ in range(canary.STRIKES):
        await one(app, timed(stream_s=2e-4))

    for _ in range(canary.GOOD_AGAIN):
        await later(app, canary.SICK_EVERY_S)
        await one(app, timed())

    assert (await the_device(app)).state == "ready"
    states = await rows(app, "SELECT payload->>'state' FROM outbox ORDER BY id")
    assert states == [("out",), ("back",)]
    assert await canaries.notices(app) == ()


async def test_an_administrator_lets_it_in_with_a_band_of_its_own_from_then_on(app: App) -> None:
    await grown(app)
    for _ in range(canary.STRIKES):
        await one(app, timed(stream_s=0.8e-4))
    admin, device = await administrator(app), await the_device(app)

    await machines.release(app, admin, device.id, "New memory clocks.")

    await later(app, 1.0)
    assert (await the_device(app)).state == "ready"
    await one(app, timed(stream_s=0.8e-4))
    assert (await the_device(app)).canary_good
    with pytest.raises(Conflict, match="is not quarantined"):
        await machines.release(app, admin, device.id, "Again.")


async def test_an_administrator_takes_one_out(app: App) -> None:
    await canaries.register(app, None, "box", [CPU])
    sent = await judged_on(app, CPU)
    admin, device = await administrator(app), await the_device(app)

    await machines.quarantine(app, admin, device.id, "The fan stands still.")

    for _ in range(canary.GOOD_AGAIN):
        await later(app, canary.SICK_EVERY_S)
        await one(app, timed(), CPU)
    assert (await the_device(app)).reason == "The fan stands still."
    assert [item.submission_id for item in (await rejudge.results(app, admin)).items] == [sent]
    with pytest.raises(Conflict, match="is out already"):
        await machines.quarantine(app, admin, device.id, "Again.")
    with pytest.raises(NotFound):
        await machines.quarantine(app, admin, 999, "Who?")


async def test_only_administrators_see_devices(app: App) -> None:
    with pytest.raises(Forbidden):
        await machines.listed(app, await make_actor(app))


async def test_the_series_shows_how_a_device_drifts(app: App) -> None:
    await grown(app, count=6)
    await one(app, timed(stream_s=1.01e-4))

    view, found = await machines.series(app, await administrator(app), (await the_device(app)).id)

    assert [item.seconds["stream"] for item in found[:2]] == [1.01e-4, 1e-4]
    assert {item.sm_mhz for item in found} == {1980.0}
    assert view.bands["stream"].low < 1e-4 < view.bands["stream"].high


async def test_a_device_that_nobody_has_offered_for_long_is_forgotten_unless_it_is_out(
    app: App,
) -> None:
    await grown(app)
    await canaries.register(app, None, "box", [CPU])
    admin = await administrator(app)
    quarantined = (await machines.listed(app, admin))[1]
    await machines.quarantine(app, admin, quarantined.id, "It smells.")
    await rows(app, "UPDATE devices SET seen_at = now() - interval '15 days'")

    await dispatch.housekeeping(app)

    assert [item.id for item in await machines.listed(app, admin)] == [quarantined.id]


# --- on machines that ask for work ---------------------------------------------------------------


def of_agent(app: App, errand: canaries.Errand, found: Verdict) -> bytes:
    """A verdict as our judge gives it on a machine's processor."""
    return dump(
        dataclasses.replace(
            found,
            run_id=errand.package.job.run_id,
            device=Device(kind="cpu", name=AGENTS_CPU.name),
            harness=Harness(judge_digest=runners.own_judge(app), isolation="bubblewrap"),
        )
    ).encode()


async def brought_in(box: Machine, found: Verdict) -> None:
    """A canary that a machine's processor is given, and what came of it."""
    answer = await box.lease(free=["cpu"])
    assert answer.canary is not None
    assert answer.runs == ()
    runner, one = await box.known(), answer.canary
    content = of_agent(box.app, one, found)
    await gateway.finish_canary(box.app, runner, box.session, one.id, one.lease, content)


async def test_a_machine_that_asks_for_work_gets_a_canary_first(app: App) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    answer = await box.lease(free=["cpu"])
    assert answer.canary is not None

    runner, one = await box.known(), answer.canary
    parcel = await gateway.canary_package(app, runner, box.session, one.id, one.lease)
    assert parcels.open_job(parcel).job.run_id == f"canary-{one.id}"
    content = of_agent(app, one, timed())
    await gateway.finish_canary(app, runner, box.session, one.id, one.lease, content)

    assert len((await box.lease(free=["cpu"])).runs) == 1
    with pytest.raises(Conflict, match="not yours any more"):
        await gateway.finish_canary(app, runner, box.session, one.id, one.lease, content)


async def test_a_quarantined_device_of_a_machine_is_leased_nothing_whatever_it_offers(
    app: App,
) -> None:
    await submitted(app, await make_actor(app))
    box, other = await machine(app), await machine(app, "other")
    await brought_in(box, make_verdict(VerdictKind.WRONG_ANSWER))

    assert (await box.lease({"CPU": 2})).runs == ()
    assert "wrong answer" in (await box.beat()).shut["cpu"]
    assert (await other.beat()).shut == {}
    assert len((await other.lease({"CPU": 2})).runs) == 1


async def test_a_canary_of_another_device_or_judge_counts_against_the_device(app: App) -> None:
    box = await machine(app)
    answer = await box.lease(free=["cpu"])
    assert answer.canary is not None
    runner, one = await box.known(), answer.canary
    lying = dataclasses.replace(timed(), run_id=one.package.job.run_id)

    found = await gateway.finish_canary(
        app, runner, box.session, one.id, one.lease, dump(lying).encode()
    )

    assert found.kind is VerdictKind.JUDGE_FAILED
    assert "another judge" in found.fault
    assert (await the_device(app)).canary_good is False


async def test_a_device_that_judges_together_with_others_only_has_canaries_too(app: App) -> None:
    units = [h200(at) for at in range(4)]
    box = await machine(app, targets=["H200x4"], slots={"H200x4": 1}, units=units)
    answer = await box.lease({"H200x4": 1}, free=[unit.id for unit in units])
    assert answer.canary is not None
    runner, one = await box.known(), answer.canary
    device = Device(kind="cuda", name="NVIDIA H200", count=1)
    harness = Harness(judge_digest=runners.own_judge(app), isolation="bubblewrap")
    found = dataclasses.replace(
        timed(), run_id=one.package.job.run_id, device=device, harness=harness
    )
    content = dump(found).encode()

    said = await gateway.finish_canary(app, runner, box.session, one.id, one.lease, content)

    assert (said.kind, said.fault) == (VerdictKind.PASSED, "")
    again = await box.lease({"H200x4": 1}, free=[unit.id for unit in units])
    assert again.canary is not None
    assert again.canary.device != one.device


async def test_a_machine_gets_no_canary_for_a_device_that_it_has_not_announced(app: App) -> None:
    await machine(app, "first")
    box = await machine(app, "second")
    assert (await box.lease(free=["GPU-of-another"])).canary is None


# --- where each run gets another machine ---------------------------------------------------------


def of_run(brought: Package, **changes: float) -> Verdict:
    """Another one each time."""
    spent = Spent(wall_s=float(next(NTH)))
    return dataclasses.replace(timed(**changes), run_id=brought.job.run_id, spent=spent)


NTH = itertools.count(1)


async def test_what_a_rented_machine_measured_counts_only_if_it_is_like_those_before_it(
    app: App,
) -> None:
    brought = canaries.before(app, 7, "H100")
    assert brought is not None

    async def said(found: Verdict | None) -> str:
        return await canaries.elsewhere(app, "H100", "modal", brought, found)

    def seen(**changes: float) -> Verdict:
        return of_run(brought, **changes)

    for _ in range(canary.LEAST):
        assert await said(seen()) == ""
    assert "its product takes" in await said(seen(product_s=3e-4))
    assert "was not" in await said(None)
    assert "was not" in await said(dataclasses.replace(seen(), run_id="canary-of-8"))
    assert await said(seen()) == "", "nothing is taken out: the next run gets another machine"
    assert (await the_device(app)).device == "H100@modal"


async def test_a_place_that_has_changed_for_good_has_a_band_of_its_own_after_a_while(
    app: App,
) -> None:
    brought = canaries.before(app, 7, "H100")
    assert brought is not None

    async def said(**changes: float) -> str:
        return await canaries.elsewhere(app, "H100", "modal", brought, of_run(brought, **changes))

    for _ in range(canary.LEAST):
        assert await said() == ""
    for nth in range(canary.MOVED):  # now slow, now fast: machines that are sick in their own ways
        assert await said(product_s=3e-4 if nth % 2 else 1e-4)
    refused = [await said(product_s=2.3e-4) for _ in range(canary.MOVED)]

    assert all(refused)
    assert await said(product_s=2.3e-4) == ""
    (line,) = await rows(app, "SELECT actor_id FROM audit_log WHERE action = 'device.band'")
    assert line.actor_id is None


async def test_a_place_is_not_taken_out_and_its_band_begins_anew_by_hand(app: App) -> None:
    brought, root = canaries.before(app, 7, "H100"), await administrator(app)
    assert brought is not None
    for _ in range(canary.LEAST):
        assert await canaries.elsewhere(app, "H100", "modal", brought, of_run(brought)) == ""
    slow = of_run(brought, product_s=3e-4)
    told = [await canaries.elsewhere(app, "H100", "modal", brought, slow) for _ in range(2)]
    place = await the_device(app)

    assert told[0] == told[1] != ""
    assert await rows(app, "SELECT count(*) FROM canaries") == [(canary.LEAST + 1,)]
    with pytest.raises(Conflict, match="is no machine"):
        await machines.quarantine(app, root, place.id, "drift")
    metrics = (await health.metrics(app)).decode()
    assert 'kernelbot_device_canary_good{device="H100@modal"' in metrics
    assert 'kernelbot_device_canary_age_seconds{device="H100@modal"' not in metrics

    await machines.release(app, root, place.id, "new drivers there")
    slow = of_run(brought, product_s=3e-4)
    assert await canaries.elsewhere(app, "H100", "modal", brought, slow) == ""
    nameless = machine_failed(brought.job.run_id, "no device")
    assert await canaries.elsewhere(app, "H100", "modal", brought, nameless)
    assert (await the_device(app)).name == place.name


async def test_runs_bring_no_canaries_where_none_are_wanted(app: App) -> None:
    without = dataclasses.replace(app, settings=app.settings.model_copy(update={"canary_s": 0.0}))

    assert canaries.before(without, 7, "H100") is None


async def test_a_machine_that_ends_gives_its_canary_up_and_the_next_process_gets_one(
    app: App,
) -> None:
    box = await machine(app)
    one = (await box.lease(free=("cpu",))).canary
    assert one is not None
    assert (await box.lease(free=("cpu",))).canary is None

    await gateway.drop_canary(app, await box.known(), box.session, one.id, one.lease)

    assert (await box.lease(free=("cpu",))).canary is not None
    assert await rows(app, "SELECT good FROM canaries") == [(None,)]
