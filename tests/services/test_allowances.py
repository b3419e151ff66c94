"""Allowances in GPU-seconds: what is left, refusals that say when, and what costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.errors import RateLimited
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import dispatch, submit
from tests.factories import claim_one, make_actor, make_verdict, submitted
from tests.services.contest import board, contest, published
from tests.services.test_turns import rows, took


async def left(app: App, actor: Actor, gpu: str = "CPU") -> Any:
    (view,) = await submit.allowance(app, actor, "vectoradd")
    return {item.gpu: item for item in view.gpu_seconds}[gpu]


async def test_what_was_used_is_shown_and_beyond_it_is_refused_until_it_is_a_day_old(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(gpu_seconds_per_day={"CPU": 100.0}))
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await submitted(app, ada)
    await took(app, await claim_one(app), 60)
    assert (await left(app, ada)).left_s == pytest.approx(40, abs=8)
    await submitted(app, ada)  # the last may take more than is left
    await took(app, await claim_one(app), 90)

    with pytest.raises(RateLimited, match="GPU-seconds") as caught:
        await submitted(app, ada)
    assert 22 * 3600 < caught.value.retry_after_s <= 24 * 3600
    assert (await left(app, ada)).left_s == 0
    assert (await left(app, bob)).left_s == 100
    await submitted(app, bob)

    await rows(app, "UPDATE spent SET hour = hour - interval '1 day'")
    await submitted(app, ada)


async def test_what_waits_is_kept_back_so_that_nobody_queues_more_than_they_have(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(gpu_seconds_per_day={"CPU": 50.0}))
    ada = await make_actor(app)
    sent = 0
    with pytest.raises(RateLimited, match="wait or run"):
        for _ in range(10):
            await submitted(app, ada)
            sent += 1

    assert sent == 3  # of twenty seconds each, as long as nothing is known
    assert (await left(app, ada)).reserved_s == pytest.approx(60)


async def test_each_gpu_has_a_balance_of_its_own(app: App, shelf: Path) -> None:
    limits = {"CPU": 10.0, "*": 1000.0}
    await published(app, shelf, contest(board(gpus=("CPU", "T4")), gpu_seconds_per_day=limits))
    ada = await make_actor(app)
    await submitted(app, ada, gpus=("CPU",))
    await submitted(app, ada, gpus=("T4",))

    with pytest.raises(RateLimited, match="CPU"):
        await submitted(app, ada, gpus=("T4", "CPU"))
    assert (await left(app, ada, "T4")).limit_s == 1000


async def test_our_own_failure_costs_nothing(app: App, shelf: Path) -> None:
    await published(app, shelf, contest(gpu_seconds_per_day={"*": 30.0}))
    ada = await make_actor(app)
    await submitted(app, ada)
    for _ in range(app.settings.attempts):
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
        await took(app, await claim_one(app), 50, found=make_verdict(VerdictKind.JUDGE_FAILED))

    assert (await left(app, ada)).left_s == 30


async def test_without_a_limit_there_is_no_balance_and_no_refusal(app: App) -> None:
    ada = await make_actor(app)
    for _ in range(5):
        await submitted(app, ada)

    assert (await submit.allowance(app, ada, "vectoradd"))[0].gpu_seconds == ()


async def test_people_have_in_a_competition_what_it_weighs_in_the_queue(
    app: App, shelf: Path
) -> None:
    heavy = contest(queue_weight=4.0)
    light = contest(board("matmul"), name="other")
    await published(app, shelf, heavy, light)
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    for actor, name in ((ada, "vectoradd"), (bob, "matmul")):
        await submitted(app, actor, leaderboard=name)
        await took(app, await claim_one(app), 120)
    first = await submitted(app, bob, leaderboard="matmul")
    second = await submitted(app, ada)

    claimed = [(await claim_one(app)).submission_id for _ in range(2)]

    assert claimed == [second.id, first.id]
    used = await rows(app, "SELECT used_s FROM shares ORDER BY used_s")
    assert [row.used_s for row in used] == pytest.approx([30, 120], abs=8)


async def test_a_board_that_moved_between_claim_and_verdict_is_charged_all_the_same(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(gpu_seconds_per_day={"*": 30.0}))
    ada = await make_actor(app)
    await submitted(app, ada)
    held = await claim_one(app)
    await published(app, shelf, contest(gpu_seconds_per_day={"*": 300.0}))
    await rows(app, "UPDATE runs SET started_at = now() - interval '20 s'")
    assert await dispatch.finish(app, held, make_verdict())

    assert (await left(app, ada)).used_s == pytest.approx(20, abs=8)
