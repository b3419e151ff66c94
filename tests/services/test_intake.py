"""GPU kinds that are paused: nothing is taken, what waits is judged or held, everybody reads why."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from sqlalchemy import text

from kernelbot import report
from kernelbot.app import App
from kernelbot.errors import Conflict, Forbidden, InvalidInput
from kernelbot.services import dispatch, health, intake, moderation, standings, submissions
from kernelbot.storage import queue
from tests import factories
from tests.factories import make_actor, make_verdict, submitted
from tests.services.machines import machine
from tests.services.test_moderation import admin

SILENT = text("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE id = :id")
WHY = "The room is too warm."


async def claimed(app: App) -> list[dispatch.Assignment]:
    return await dispatch.claim(app, uuid.uuid4(), {"CPU": 1})


async def test_a_paused_kind_takes_nothing_says_why_and_goes_on_with_what_waits(app: App) -> None:
    root, ada = await admin(app), await make_actor(app, "ada")
    sent = await submitted(app, ada, idempotency_key="one")

    await intake.pause(app, root, "cpu", f"  {WHY}\n", hold=False)
    with pytest.raises(Conflict, match=f"for CPU at the moment: {WHY}") as refused:
        await submitted(app, ada)
    again = await submitted(app, ada, idempotency_key="one")
    judged = await factories.judge_one(app, make_verdict())

    assert refused.value.code == "intake_paused"
    assert (again.id, again.repeated) == (sent.id, True), "it was taken before"
    assert judged.submission_id == sent.id
    (queue,) = [item for item in await standings.queues(app) if item.gpu == "CPU"]
    assert queue.paused is not None
    assert (queue.paused.reason, queue.paused.holds) == (WHY, False)

    await intake.resume(app, root, "CPU")
    await submitted(app, ada)


async def test_what_is_held_keeps_its_place_starts_nowhere_and_starts_when_it_is_resumed(
    app: App,
) -> None:
    root, ada = await admin(app), await make_actor(app, "ada")
    await submitted(app, ada)
    (running,) = await claimed(app)
    waiting = await submitted(app, ada)

    await intake.pause(app, root, None, WHY, hold=True)
    app.cache.clear()  # what is known of a kind is read once a second
    seen = await submissions.submission(app, ada, waiting.id)

    assert await claimed(app) == []
    box = await machine(app)
    assert (await box.lease({"CPU": 1})).waiting == {}, "no agent saves devices for it"
    with pytest.raises(Conflict, match=f"take no submissions at the moment: {WHY}"):
        await submitted(app, ada)
    (run,) = seen.runs
    assert run.wait is not None
    assert run.wait.start_high_s is None
    assert WHY in report.wait_text(run.wait)
    assert await dispatch.finish(app, running, make_verdict())
    metrics = (await health.metrics(app)).decode()
    assert 'kernelbot_stalled_queue{gpu="CPU"} 0.0' in metrics

    async with app.events.on(dispatch.queue.channel()) as woken:
        await intake.resume(app, root, None)
        assert await woken.wait(30), "workers that wait look again"
    assert [item.submission_id for item in await claimed(app)] == [waiting.id]


async def test_what_a_dead_worker_had_is_not_begun_again_while_it_is_held(app: App) -> None:
    root = await admin(app)
    await submitted(app, await make_actor(app, "ada"))
    (held,) = await claimed(app)
    await intake.pause(app, root, "CPU", WHY, hold=True)
    async with app.database.transaction() as connection:
        await connection.execute(SILENT, {"id": held.queue_id})

    assert await claimed(app) == []
    await intake.resume(app, root, "CPU")
    assert [item.run_id for item in await claimed(app)] == [held.run_id]


async def test_only_administrators_pause_kinds_that_exist_and_it_is_written_down(app: App) -> None:
    root = await admin(app)
    with pytest.raises(Forbidden):
        await intake.pause(app, await make_actor(app, "ada"), None, WHY, hold=False)
    with pytest.raises(InvalidInput, match="Did you mean 'CPU'"):
        await intake.pause(app, root, "CPUU", WHY, hold=False)
    with pytest.raises(Conflict, match="CPU is not paused"):
        await intake.resume(app, root, "CPU")

    await intake.pause(app, root, "CPU", "first", hold=False)
    await intake.pause(app, root, "CPU", "second", hold=True)
    with pytest.raises(Conflict, match="as a whole is not paused"):
        await intake.resume(app, root, None)
    (now,) = await intake.listed(app, root)
    (told,) = await intake.paused(app)
    await intake.resume(app, root, "CPU")

    assert (now.gpu, now.reason, now.holds, now.paused_by) == ("CPU", "second", True, root.name)
    assert told == dataclasses.replace(now, paused_by=""), "who paused is for administrators"
    log = await moderation.audit(app, root, target="intake:CPU")
    assert [item["action"] for item in log.items] == [
        "intake.resume",
        "intake.pause",
        "intake.pause",
    ]


async def test_a_kind_that_is_held_is_no_work_and_the_other_is(app: App) -> None:
    async with app.database.transaction() as connection:
        await queue.enqueue(connection, ["CPU", "H100"], 0)
    await intake.pause(app, await admin(app), "CPU", WHY, hold=True)

    async with app.database.read() as connection:
        assert await queue.due(connection, ["CPU"], 60.0) == (False, False)
        assert await queue.due(connection, ["CPU", "H100"], 60.0) == (True, False)
