"""Turns on a real queue: shares by what was charged, pauses, re-measurements, other workers for rejudging."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain import fairness
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.errors import Conflict, Forbidden, NotFound
from kernelbot.judge.protocol import Event, Spent, Stage, VerdictKind
from kernelbot.services import (
    dispatch,
    identity,
    moderation,
    publish,
    rejudge,
    standings,
    submissions,
    submit,
    turns,
    usage,
)
from kernelbot.services.dispatch import Assignment
from tests.conftest import ADMIN_TOKEN
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def admin(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def took(app: App, held: Assignment, seconds: float, **verdict: Any) -> None:
    """The run began so long ago, and ends now."""
    await rows(
        app,
        "UPDATE runs SET started_at = now() - make_interval(secs => :seconds) WHERE id = :id",
        id=held.run_id, seconds=seconds,
    )  # fmt: skip
    assert await dispatch.finish(app, held, verdict.get("found") or make_verdict())


async def shares(app: App) -> list[tuple[str, float]]:
    found = await rows(app, "SELECT u.name, used_s FROM shares JOIN users u ON u.id = user_id")
    return sorted((row.name, row.used_s) for row in found)


async def test_one_person_does_not_hold_up_another(app: App) -> None:
    flooder, newcomer = await make_actor(app, "flooder"), await make_actor(app, "newcomer")
    for _ in range(6):
        await submitted(app, flooder)
    late = await submitted(app, newcomer)

    claimed = [(await claim_one(app)).submission_id for _ in range(2)]

    assert claimed[1] == late.id


async def test_whoever_used_less_goes_first_on_that_gpu_only(app: App) -> None:
    busy, idle = await make_actor(app, "busy"), await make_actor(app, "idle")
    await submitted(app, busy, gpus=("CPU",))
    await took(app, await claim_one(app), 500)
    first = await submitted(app, busy, gpus=("CPU", "T4"))
    second = await submitted(app, idle, gpus=("CPU", "T4"))

    on_cpu = [(await claim_one(app, "CPU")).submission_id for _ in range(2)]
    on_t4 = [(await claim_one(app, "T4")).submission_id for _ in range(2)]

    assert on_cpu == [second.id, first.id]
    assert on_t4 == [first.id, second.id]


async def test_a_run_is_charged_to_its_owner_when_it_ends_and_fades_as_the_domain_says(
    app: App,
) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)
    await took(app, await claim_one(app), 100)
    await rows(
        app, "UPDATE shares SET as_of = now() - make_interval(secs => :s)", s=fairness.HALF_LIFE_S
    )
    await submitted(app, ada)
    await took(app, await claim_one(app), 40)

    ((_, used),) = await shares(app)
    assert used == pytest.approx(100 / 2 + 40, abs=8)
    assert await rows(app, "SELECT sum(gpu_s) FROM spent") == [(pytest.approx(140, abs=8),)]


async def test_what_the_device_was_held_for_is_charged_and_not_what_we_took_to_get_there(
    app: App,
) -> None:
    await submitted(app, await make_actor(app))
    found = make_verdict()
    object.__setattr__(found, "spent", Spent(device_s=12.5))
    await took(app, await claim_one(app), 100, found=found)

    assert await shares(app) == [("ada", pytest.approx(12.5))]


async def test_a_kind_with_four_gpus_costs_four_times_as_much(app: App) -> None:
    target = app.targets["L4x4"]
    await submitted(app, await make_actor(app), mode="test")
    await rows(app, "UPDATE runs SET gpu = 'L4x4'")
    await rows(app, "UPDATE pgqueuer SET entrypoint = 'gpu:L4x4'")
    await took(app, await claim_one(app, "L4x4"), 10)

    assert target.gpus == 4
    assert await shares(app) == [("ada", pytest.approx(40, abs=20))]


async def test_our_own_failures_and_what_we_repeat_cost_nothing(app: App) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)
    for _ in range(app.settings.attempts):
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
        held = await claim_one(app)
        await took(app, held, 50, found=make_verdict(VerdictKind.JUDGE_FAILED))
    assert await rows(app, "SELECT verdict FROM runs") == [("judge_failed",)]
    assert await rows(app, "SELECT gpu_s FROM spent") == []

    await ranked(app, ada, 1e6)
    before = await shares(app)
    (again,) = await rejudge.ask(app, await admin(app), leaderboard="vectoradd", gpu="CPU")
    await took(app, await claim_one(app), 50)

    assert again.run_id is not None
    assert await shares(app) == before


async def test_what_its_owner_stops_is_charged_for_as_long_as_it_ran(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)
    assert await dispatch.progress(app, held, Event(kind="stage", stage=Stage.CHECK))
    earlier = "now() - interval '30 s'"
    await rows(app, f"UPDATE runs SET started_at = {earlier}, judged_at = {earlier}")
    await submit.cancel(app, ada, view.id)
    assert await dispatch.cancelled(app, held)

    assert await shares(app) == [("ada", pytest.approx(30, abs=8))]


async def test_what_waits_for_a_machine_after_it_was_claimed_costs_nothing(app: App) -> None:
    """In a cluster's queue, say: neither its owner nor in what the next ones are told to take."""
    ada = await make_actor(app)
    view = await submitted(app, ada)
    stopped = await claim_one(app)
    await rows(app, "UPDATE runs SET started_at = now() - interval '2 hours'")
    await submit.cancel(app, ada, view.id)
    assert await dispatch.cancelled(app, stopped)
    assert await shares(app) == []

    await submitted(app, ada, code=b"# another\n")
    judged = await claim_one(app)
    await rows(app, "UPDATE runs SET started_at = now() - interval '2 hours'")
    found = dataclasses.replace(make_verdict(), spent=Spent(wall_s=40.0))
    assert await dispatch.finish(app, judged, found)

    assert await shares(app) == [("ada", pytest.approx(40, abs=8))]
    assert await rows(app, "SELECT mean_s FROM durations") == [(pytest.approx(40, abs=8),)]


async def test_who_pauses_after_a_failure_of_ours_is_told_when_it_may_start(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)
    assert await dispatch.finish(app, held, make_verdict(VerdictKind.JUDGE_FAILED))
    await rows(app, "UPDATE pgqueuer SET execute_after = now() + interval '160 s'")
    await dispatch.heartbeat(app, uuid.uuid4(), "here", {"CPU": 1}, {}, "0" * 64, {})
    app.cache.clear()

    wait = (await submissions.submission(app, ada, view.id)).runs[0].wait

    assert wait is not None
    assert wait.start_low_s is not None
    assert wait.start_low_s > 150


async def test_what_waits_out_a_pause_holds_up_nobody(app: App) -> None:
    unlucky, ada = await make_actor(app, "unlucky"), await make_actor(app)
    for _ in range(30):
        await submitted(app, unlucky)
    for held in await dispatch.claim(app, uuid.uuid4(), {"CPU": 30}):
        assert await dispatch.finish(app, held, make_verdict(VerdictKind.JUDGE_FAILED))
    await rows(app, "UPDATE pgqueuer SET execute_after = now() + interval '1 hour'")
    late = await submitted(app, ada, mode="test")

    assert (await claim_one(app)).submission_id == late.id
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 5}) == []


async def register(app: App, host: str) -> uuid.UUID:
    worker = uuid.uuid4()
    await dispatch.heartbeat(app, worker, host, {"CPU": 1}, {}, "0" * 64, {})
    return worker


async def test_what_is_judged_again_prefers_another_worker_for_a_while(app: App) -> None:
    first = await register(app, "one")
    await submitted(app, await make_actor(app))
    (held,) = await dispatch.claim(app, first, {"CPU": 1})
    assert await dispatch.finish(app, held, make_verdict())
    await rejudge.ask(app, await admin(app), leaderboard="vectoradd", gpu="CPU")
    alone = await dispatch.claim(app, first, {"CPU": 1})
    assert len(alone) == 1  # there is nobody else
    assert await dispatch.give_back(app, alone[0])

    second = await register(app, "two")
    assert await dispatch.claim(app, first, {"CPU": 1}) == []
    (taken,) = await dispatch.claim(app, second, {"CPU": 1})
    assert await dispatch.give_back(app, taken)

    await rows(app, "UPDATE runs SET created_at = created_at - interval '1 hour'")
    assert len(await dispatch.claim(app, first, {"CPU": 1})) == 1


async def test_what_is_measured_again_comes_last_and_comes(app: App) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)
    await took(app, await claim_one(app), 100)
    await rejudge.ask(app, await admin(app), leaderboard="vectoradd", gpu="CPU")
    theirs = await submitted(app, await make_actor(app, "bob"), mode="test")

    for _ in range(2):
        (held,) = await dispatch.claim(app, uuid.uuid4(), {"CPU": 1})
        assert held.submission_id == theirs.id
        assert await dispatch.give_back(app, held)
        assert held.job.mode.value == "test"

    await rows(
        app, "UPDATE runs SET created_at = created_at - interval '1 hour' WHERE priority = 5"
    )
    app.cache.clear()  # what has ended is read once a second
    assert (await judge_one(app)).job.mode.value == "ranked"


async def test_what_an_administrator_puts_first_starts_before_everything_else(app: App) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await submitted(app, ada)
    urgent = await submitted(app, bob, mode="test")
    boss = await admin(app)
    with pytest.raises(Forbidden):
        await moderation.put_first(app, bob, urgent.id, "mine")

    assert await moderation.put_first(app, boss, urgent.id, "a talk in five minutes") == 1

    assert (await claim_one(app)).submission_id == urgent.id
    with pytest.raises(Conflict, match="waits any more"):
        await moderation.put_first(app, boss, urgent.id, "again")
    with pytest.raises(NotFound):
        await moderation.put_first(app, boss, 10**6, "none")
    (line,) = await rows(app, "SELECT target FROM audit_log WHERE action = 'submission.first'")
    assert line.target == f"submission:{urgent.id}"


async def test_what_is_measured_again_is_not_counted_among_what_people_wait_for(app: App) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    await rejudge.ask(app, await admin(app), leaderboard="vectoradd", gpu="CPU")
    await submitted(app, ada, mode="test")

    queues = {view.gpu: view.queued for view in await standings.queues(app)}

    assert queues["CPU"] == 1


async def test_a_gpu_is_known_by_its_other_names_where_results_are_read(app: App) -> None:
    plain = await standings.standings(app, None, "histogram", "B200")

    assert await standings.standings(app, None, "histogram", "b200_nebius") == plain


async def test_what_waits_for_a_competition_that_is_hidden_ends_and_costs_nothing(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    running = await submitted(app, ada)
    await rows(app, "UPDATE runs SET priority = 1000 WHERE submission_id = :id", id=running.id)
    held = await claim_one(app)

    await publish.hide(app, "getting-started")

    found = await submissions.submission(app, ada, view.id)
    assert found.status is Status.CANCELLED
    assert "taken off the list" in found.runs[0].ranking
    (row,) = await rows(app, "SELECT refunded FROM submissions WHERE id = :id", id=view.id)
    assert row.refunded
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 5}) == []
    assert await dispatch.finish(app, held, make_verdict())


async def test_with_hundreds_waiting_turns_are_decided_together_and_nobody_is_passed_over(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MANY", 4)
    monkeypatch.setattr(turns, "PLANNED_S", 60.0)
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    for actor in (ada, bob) * 6:
        await submitted(app, actor)
    first = (await claim_one(app)).submission_id
    gone = await rows(app, "SELECT max(submission_id) AS id FROM runs WHERE status = 'queued'")
    await submit.cancel(app, bob, gone[0].id)

    held = [await dispatch.claim(app, uuid.uuid4(), {"CPU": 2}) for _ in range(7)]
    claimed = [item.submission_id for items in held for item in items]

    assert len(claimed) == len(set(claimed)) == 10
    assert first not in claimed


async def waited_long(app: App) -> None:
    long = "interval '3 hours'"
    await rows(
        app,
        f"UPDATE runs SET created_at = created_at - {long}, started_at = started_at - {long}, "
        f"judged_at = judged_at - {long}",
    )


async def judging_s(app: App) -> float:
    """As those who pay see it."""
    found = await usage.usage(app, await admin(app), by="target")
    return sum(item.gpu_hours for item in found.items) * 3600


async def test_what_was_put_back_and_is_cancelled_while_it_waits_was_not_judged_meanwhile(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)
    assert await dispatch.progress(app, held, Event(kind="stage", stage=Stage.BUILD))
    assert await dispatch.finish(app, held, make_verdict(VerdictKind.JUDGE_FAILED))
    await waited_long(app)
    await submit.cancel(app, ada, view.id)
    assert await judging_s(app) < 60


async def test_a_failure_of_ours_that_nobody_judged_took_no_time(app: App) -> None:
    await submitted(app, await make_actor(app))
    held = await claim_one(app)
    await waited_long(app)
    last = dataclasses.replace(held, attempt=99)
    assert await dispatch.finish(app, last, make_verdict(VerdictKind.JUDGE_FAILED))
    assert await judging_s(app) < 60


async def test_each_attempt_is_judged_anew_since_its_own_first_step(app: App) -> None:
    await submitted(app, await make_actor(app))
    seen = []
    for _ in range(2):
        held = await claim_one(app)
        seen += await rows(app, "SELECT judged_at FROM runs")
        assert await dispatch.progress(app, held, Event(kind="stage", stage=Stage.BUILD))
        seen += await rows(app, "SELECT judged_at FROM runs")
        assert await dispatch.give_back(app, held)
        seen += await rows(app, "SELECT judged_at FROM runs")
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
    assert [row.judged_at is not None for row in seen] == [False, True, False] * 2
    assert seen[4].judged_at > seen[1].judged_at


async def test_what_is_put_first_goes_before_what_was_decided_a_moment_ago(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MANY", 4)
    monkeypatch.setattr(turns, "PLANNED_S", 60.0)
    ada = await make_actor(app)
    sent = [await submitted(app, ada, mode="test") for _ in range(8)]
    await claim_one(app)
    await moderation.put_first(app, await admin(app), sent[-1].id, "a talk in five minutes")
    assert (await claim_one(app)).submission_id == sent[-1].id
    assert (await claim_one(app)).submission_id != sent[-1].id
