"""What nobody but us can bring to its end is brought there: repeats that failed, runs of workers that are gone."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import (
    dispatch,
    identity,
    publish,
    quarantine,
    standings,
    submissions,
    submit,
)
from kernelbot.services.publish import Source
from kernelbot.services.views import RunView
from kernelbot.worker import Slot, Worker
from tests.conftest import ADMIN_TOKEN
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted
from tests.patience import until
from tests.services.contest import board, catalog_of, contest, posed_anew, published

FAILED = make_verdict(VerdictKind.JUDGE_FAILED)


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def no_more_pauses(app: App) -> None:
    await rows(app, "UPDATE pgqueuer SET execute_after = now()")


async def pause_s(app: App) -> float:
    ((found,),) = await rows(
        app, "SELECT extract(epoch FROM execute_after - updated) FROM pgqueuer"
    )
    return float(found)


async def fall_silent(app: App) -> None:
    """Time passes and nobody says anything."""
    await rows(app, "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")


async def fail_often(app: App) -> None:
    """As often as a run is tried at all."""
    for _ in range(app.settings.attempts):
        await no_more_pauses(app)
        assert await dispatch.finish(app, await claim_one(app), FAILED)


async def latest(app: App, actor: Actor) -> RunView:
    found: RunView = (await submissions.mine(app, actor)).items[0].runs[0]
    return found


async def names(app: App) -> list[tuple[str, bool]]:
    """Who stands on the board, and whether with a place of an earlier version."""
    found = (await standings.board(app, None, "vectoradd", "CPU")).standings
    return [(item.entry.user_name, item.earlier is not None) for item in found]


@pytest.fixture
async def measured_again(app: App, shelf: Path) -> Actor:
    """Whose code is queued to be measured on a new version."""
    ada = await make_actor(app)
    await published(app, shelf, contest())
    await ranked(app, ada, 1e6)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), Source())
    return ada


async def test_what_is_measured_again_and_fails_by_our_fault_is_tried_for_days(
    app: App, measured_again: Actor
) -> None:
    await fail_often(app)

    pauses = []
    for _ in range(dispatch.MORE_ATTEMPTS):
        assert (await latest(app, measured_again)).status is Status.QUEUED
        assert await names(app) == [("ada", True)]
        pauses.append(await pause_s(app))
        await no_more_pauses(app)
        assert await dispatch.finish(app, await claim_one(app), FAILED)

    assert pauses[:3] == pytest.approx([600, 1200, 2400])
    assert max(pauses) <= dispatch.LONGEST_MORE_PAUSE_S
    assert (await latest(app, measured_again)).kind is VerdictKind.JUDGE_FAILED


async def test_it_counts_when_our_machine_is_well_again(app: App, measured_again: Actor) -> None:
    await fail_often(app)
    await no_more_pauses(app)

    await judge_one(app, make_verdict(ns=2e6))

    assert await names(app) == [("ada", False)]


async def test_code_that_ends_its_workers_is_measured_again_with_the_same_pauses(
    app: App, measured_again: Actor
) -> None:
    for _ in range(app.settings.attempts):
        await claim_one(app)
        await fall_silent(app)

    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []

    assert (await latest(app, measured_again)).status is Status.QUEUED
    assert await pause_s(app) == pytest.approx(1200)


async def test_a_version_that_is_posed_no_more_is_tried_no_longer(
    app: App, shelf: Path, measured_again: Actor
) -> None:
    before = await latest(app, measured_again)
    held = await claim_one(app)
    newer = posed_anew(catalog_of(app, shelf, contest()), cpu_tests=({"size": 7},))
    await publish.apply(app, newer, Source())
    for _ in range(app.settings.attempts):
        assert await dispatch.finish(app, held, FAILED)
        await no_more_pauses(app)
        ours = await dispatch.claim(app, uuid.uuid4(), {"CPU": 2})
        held = next((item for item in ours if item.run_id == before.id), held)

    runs = [item.runs[0] for item in (await submissions.mine(app, measured_again)).items]
    (old,) = [run for run in runs if run.id == before.id]
    assert old.kind is VerdictKind.JUDGE_FAILED
    assert await names(app) == [("ada", True)]


async def test_who_is_measured_again_after_a_release_has_their_earlier_place_meanwhile(
    app: App, shelf: Path, measured_again: Actor
) -> None:
    root = await identity.authenticate(app, ADMIN_TOKEN, "api")
    held = await judge_one(app, make_verdict(VerdictKind.QUARANTINED))
    newer = posed_anew(catalog_of(app, shelf, contest()), cpu_tests=({"size": 7},))
    await publish.apply(app, newer, Source())
    await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER))
    assert await names(app) == []

    await quarantine.release(app, root, held.run_id, "A noisy machine.")

    assert await names(app) == [("ada", True)]
    await judge_one(app, make_verdict(ns=2e6))
    assert await names(app) == [("ada", False)]


# --- workers that are gone -----------------------------------------------------------------------


@pytest.fixture
async def on_two(app: App, shelf: Path) -> Actor:
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    return await make_actor(app)


async def test_a_run_on_a_withdrawn_gpu_ends_though_its_worker_is_gone(
    app: App, shelf: Path, on_two: Actor
) -> None:
    await submitted(app, on_two, gpus=("T4",))
    await claim_one(app, "T4")
    await published(app, shelf, contest(board()))
    assert await dispatch.recover(app) == 0
    assert (await latest(app, on_two)).status is Status.RUNNING
    await fall_silent(app)

    assert await dispatch.recover(app) == 1

    run = await latest(app, on_two)
    assert run.status is Status.CANCELLED
    assert "does not offer T4 any more. It costs nothing" in run.ranking
    assert (await rows(app, "SELECT count(*) FROM pgqueuer"))[0][0] == 0
    assert (await submit.allowance(app, on_two, "vectoradd"))[0].ranked_left == (
        await submit.allowance(app, await make_actor(app, "bob"), "vectoradd")
    )[0].ranked_left


async def test_a_run_that_is_given_back_after_its_gpu_was_withdrawn_ends_too(
    app: App, shelf: Path, on_two: Actor
) -> None:
    await submitted(app, on_two, gpus=("T4",))
    held = await claim_one(app, "T4")
    await published(app, shelf, contest(board()))
    assert await dispatch.give_back(app, held)

    await dispatch.recover(app)

    assert (await latest(app, on_two)).status is Status.CANCELLED


async def test_a_run_whose_worker_is_gone_is_shown_as_waiting_and_keeps_its_place(
    app: App, on_two: Actor
) -> None:
    for _ in range(2):
        await submitted(app, on_two, gpus=("T4",))
    first = await claim_one(app, "T4")
    await fall_silent(app)

    await asyncio.gather(*(dispatch.recover(app) for _ in range(4)))

    assert not await dispatch.finish(app, first, make_verdict())
    items = (await submissions.mine(app, on_two)).items
    assert [item.runs[0].status for item in items] == [Status.QUEUED] * 2
    again = await claim_one(app, "T4")
    assert (again.run_id, again.attempt) == (first.run_id, 2)


async def test_a_cancelled_run_whose_worker_is_gone_ends_without_another(
    app: App, on_two: Actor
) -> None:
    view = await submitted(app, on_two, gpus=("T4",))
    await claim_one(app, "T4")
    await submit.cancel(app, on_two, view.id)
    await fall_silent(app)

    await dispatch.recover(app)

    assert (await latest(app, on_two)).status is Status.CANCELLED


async def test_a_cancelled_run_that_goes_on_elsewhere_is_for_another_to_end(
    app: App, on_two: Actor
) -> None:
    view = await submitted(app, on_two, gpus=("T4",))
    assert await dispatch.goes_on(app, await claim_one(app, "T4"), "far:1")
    await submit.cancel(app, on_two, view.id)
    await fall_silent(app)

    await dispatch.recover(app)

    again = await claim_one(app, "T4")
    assert again.handle == "far:1"
    assert await dispatch.cancelled(app, again)
    assert (await latest(app, on_two)).status is Status.CANCELLED


async def test_a_run_that_ended_all_its_workers_is_given_up_where_none_is_left(
    app: App, on_two: Actor
) -> None:
    await submitted(app, on_two, gpus=("T4",))
    for _ in range(app.settings.attempts):
        await claim_one(app, "T4")
        await fall_silent(app)
        await dispatch.recover(app)

    assert (await latest(app, on_two)).kind is VerdictKind.JUDGE_FAILED


async def test_any_worker_sees_to_it(app: App, on_two: Actor) -> None:
    class Idle:
        backlog = 0

        async def close(self) -> None:
            pass

    await submitted(app, on_two, gpus=("T4",))
    await claim_one(app, "T4")
    soon = dataclasses.replace(app, settings=app.settings.model_copy(update={"lease_s": 0.5}))
    worker = Worker(soon, [Slot("CPU", Idle())], {})  # type: ignore[arg-type]
    task = asyncio.create_task(worker.run())

    async def waits() -> bool:
        return (await latest(app, on_two)).status is Status.QUEUED

    assert await until(waits)
    worker.stop()
    await task
