"""Whoever decides about results takes locks in the order of whoever records them."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.errors import Conflict
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import (
    dispatch,
    identity,
    moderation,
    publish,
    quarantine,
    standings,
    submissions,
    submit,
    turns,
)
from kernelbot.storage import contests, fleet
from kernelbot.storage import standings as store_standings
from kernelbot.storage import submissions as store
from tests.conftest import ADMIN_TOKEN
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted
from tests.patience import until
from tests.services.contest import board, catalog_of, contest, posed_anew, published

REASON = "A noisy machine."
PATIENCE_S = 60.0  # whoever waits for ever fails
FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
HOLD_RUN = text("SELECT id FROM runs WHERE id = :id FOR NO KEY UPDATE NOWAIT")


async def admin(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def waiting_for_locks(app: App) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with app.database.read() as connection:
        return int((await connection.execute(text(query))).scalar_one())


@pytest.mark.parametrize("decide", [quarantine.release, quarantine.refuse])
async def test_a_decision_holds_no_run_while_it_waits_for_the_submission(
    app: App, decide: Any
) -> None:
    root = await admin(app)
    view = await submitted(app, await make_actor(app))
    run_id = (await judge_one(app, make_verdict(VerdictKind.QUARANTINED))).run_id

    async with app.database.transaction() as recording:
        await store.lock(recording, view.id)
        deciding = asyncio.create_task(decide(app, root, run_id, REASON))
        await until(lambda: waiting_for_locks(app))
        await recording.execute(HOLD_RUN, {"id": run_id})

    await asyncio.wait_for(deciding, PATIENCE_S)


async def test_standings_are_written_without_waiting_for_a_submission_they_point_at(
    app: App,
) -> None:
    root, ada = await admin(app), await make_actor(app)
    best = await ranked(app, ada, 2e6, b"a = 1\n")
    better = await ranked(app, ada, 1e6, b"a = 2\n")

    async with app.database.transaction() as recording, asyncio.timeout(PATIENCE_S):
        await store.lock(recording, best.id)
        await moderation.void(app, root, better.id, REASON)

    (run,) = (await submissions.submission(app, ada, best.id)).runs
    assert run.ranking.startswith("Ranked 1st of 1")


async def test_publishing_takes_boards_in_the_order_of_whoever_voids(app: App, shelf: Path) -> None:
    await published(app, shelf, contest(board(), board("matmul")))
    turned = posed_anew(catalog_of(app, shelf, contest(board("matmul"), board())))

    async with app.database.transaction() as voiding, asyncio.timeout(PATIENCE_S):
        first, second = [row.id for row in await contests.boards(voiding)]
        await store_standings.next_revision(voiding, first, "CPU")
        publishing = asyncio.create_task(publish.apply(app, turned, publish.Source()))
        await until(lambda: waiting_for_locks(app))
        await store_standings.next_revision(voiding, second, "CPU")

    await asyncio.wait_for(publishing, PATIENCE_S)


async def test_publishing_recording_and_banning_at_once_never_deadlock(
    app: App, shelf: Path
) -> None:
    root = await admin(app)
    boards = board(gpus=("T4", "CPU")), board("matmul")
    await published(app, shelf, contest(*boards))
    for turn in range(6):
        ada = await make_actor(app, f"ada{turn}")
        for name in ("vectoradd", "matmul"):
            await submitted(app, ada, leaderboard=name)
            await judge_one(app)
        await submitted(app, ada)
        held = await claim_one(app)
        catalog = catalog_of(app, shelf, contest(*boards[:: (-1) ** turn]))
        catalog = posed_anew(catalog, cpu_tests=({"size": 5 + turn},))

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(
                publish.apply(app, catalog, publish.Source()),
                dispatch.finish(app, held, make_verdict(ns=1e6)),
                moderation.ban(app, root, f"#{ada.user_id}", FOR_EVER, REASON, void=True),
            )
        while await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}):
            pass  # what is measured again is taken away before the next turn


async def test_what_is_recorded_during_a_ban_is_voided_with_the_rest(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)
    await submitted(app, ada)
    claimed = await claim_one(app)

    async with app.database.transaction() as holder, asyncio.timeout(PATIENCE_S):
        await holder.execute(text("SELECT FROM leaderboard_gpus FOR UPDATE"))
        recording = asyncio.create_task(dispatch.finish(app, claimed, make_verdict()))
        await until(lambda: waiting_for_locks(app))
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        banning = asyncio.create_task(moderation.ban(app, root, "ada", tomorrow, REASON, void=True))
        await until(lambda: banned_or_waiting(app, banning))

    await asyncio.wait_for(asyncio.gather(recording, banning), PATIENCE_S)
    assert (await standings.board(app, None, "vectoradd", "CPU")).standings == ()


async def banned_or_waiting(app: App, banning: asyncio.Task[None]) -> bool:
    return banning.done() or await waiting_for_locks(app) == 2


async def test_decisions_recordings_cancellations_and_voidings_at_once_never_deadlock(
    app: App,
) -> None:
    root, ada = await admin(app), await make_actor(app)
    standing = await ranked(app, ada, 3e6, b"a = 1\n")
    for turn in range(12):
        view = await submitted(app, ada, gpus=("CPU", "T4", "L4"), code=b"a = %d\n" % (turn + 2))
        held = await judge_one(app, make_verdict(VerdictKind.QUARANTINED))
        on_t4 = await claim_one(app, "T4")
        decide = (quarantine.release, quarantine.refuse)[turn % 2]
        void = (moderation.void, moderation.restore)[turn % 2]

        async with asyncio.timeout(PATIENCE_S):
            found = await asyncio.gather(
                decide(app, root, held.run_id, REASON),
                dispatch.finish(app, on_t4, make_verdict(ns=1e6 + turn)),
                submit.cancel(app, ada, view.id),
                void(app, root, standing.id, REASON),
                return_exceptions=True,
            )

        wrong = [item for item in found if isinstance(item, Exception)]
        assert not [item for item in wrong if not isinstance(item, Conflict)], turn
        assert (await submissions.submission(app, ada, view.id)).done


async def test_withdrawing_a_gpu_waits_for_a_claim_before_it_holds_what_the_claim_needs(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("T4",))

    worker = uuid.uuid4()
    async with app.database.transaction() as claiming, asyncio.timeout(PATIENCE_S):
        await fleet.touch(claiming, worker)
        queue_ids = await turns.take(app, claiming, "T4", 1, worker)
        withdrawing = asyncio.create_task(published(app, shelf, contest(board())))
        await until(lambda: waiting_for_locks(app))
        await store.lock_waiting(claiming, queue_ids)
        assert await store.lease(claiming, queue_ids, worker)

    await asyncio.wait_for(withdrawing, PATIENCE_S)
    (run,) = (await submissions.submission(app, ada, view.id)).runs
    assert run.status is Status.RUNNING  # what has begun is judged to its end


async def test_whoever_watches_misses_no_step_that_was_begun_before_a_decision(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)
    view = await ranked(app, ada, 1e6)
    before = await submissions.events(app, view.id, 0)

    async with app.database.transaction() as telling, asyncio.timeout(PATIENCE_S):
        await store.lock(telling, view.id)
        await store.add_event(telling, view.id, None, "rejudge", {})
        voiding = asyncio.create_task(moderation.void(app, root, view.id, REASON))

        async def waits_or_is_done() -> bool:
            return voiding.done() or bool(await waiting_for_locks(app))

        await until(waits_or_is_done)
        seen = await submissions.events(app, view.id, before[-1].id)
    await asyncio.wait_for(voiding, PATIENCE_S)

    after = (seen or before)[-1].id
    told = [*seen, *await submissions.events(app, view.id, after)]
    assert [item.kind for item in told] == ["rejudge", "decided"]
