"""Running somebody's submission again at an organizer's wish."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Status
from kernelbot.errors import Conflict, Forbidden, NotFound
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import dispatch, moderation, rejudge, rerun, standings, submissions, submit
from kernelbot.services.views import SubmissionView
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted
from tests.services.contest import board, contest, published
from tests.services.test_moderation import admin
from tests.services.test_turns import rows, took


async def failed(app: App, actor: Actor, **changes: object) -> SubmissionView:
    view = await submitted(app, actor, **changes)
    await judge_one(app, make_verdict(VerdictKind.CRASHED))
    return view


async def test_it_is_its_owners_counts_and_costs_them_nothing(app: App, shelf: Path) -> None:
    limits = {"CPU": 25.0}
    await published(app, shelf, contest(gpu_seconds_per_day=limits))
    await rows(app, "UPDATE leaderboards SET ranked_per_hour = 1")
    ada = await make_actor(app)
    before = await failed(app, ada)

    again = await rerun.rerun(app, await admin(app), before.id, "Our disk was full.")
    (left,) = await submit.allowance(app, ada, "vectoradd")
    assert [item.reserved_s for item in left.gpu_seconds] == [0]
    await took(app, await claim_one(app), 20)

    (left,) = await submit.allowance(app, ada, "vectoradd")
    assert left.gpu_seconds[0].used_s < 20
    assert left.ranked_left == 0, "the first counts, the second does not"
    (mine, _) = (await submissions.mine(app, ada)).items
    assert (mine.id, mine.user_name) == (again.id, "ada")
    there = await standings.board(app, None, "vectoradd", "CPU")
    assert [item.entry.submission_id for item in there.standings] == [again.id]
    (line,) = (
        await moderation.audit(app, await admin(app), target=f"submission:{before.id}")
    ).items
    assert line["detail"] == {"submission": again.id, "reason": "Our disk was full."}


async def test_only_those_gpus_run_again_where_it_does_not_count(app: App, shelf: Path) -> None:
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    view = await submitted(app, await make_actor(app), gpus=("CPU", "T4"))
    await judge_one(app, make_verdict(VerdictKind.CRASHED))
    await judge_one(app, gpu="T4")

    again = await rerun.rerun(app, await admin(app), view.id, "x")

    assert [run.gpu for run in again.runs] == ["CPU"]


async def test_after_the_end_and_of_a_closed_board_it_is_run_too(app: App) -> None:
    view = await failed(app, await make_actor(app))
    await rows(app, "UPDATE leaderboards SET closes_at = now() - interval '1 day'")

    assert (await rerun.rerun(app, await admin(app), view.id, "x")).runs


async def test_nothing_is_run_again_or_left_waiting_on_a_board_that_is_hidden(app: App) -> None:
    ada = await make_actor(app)
    counted = await ranked(app, ada, 1e6)
    before = await failed(app, ada, code=b"other = 1")
    waiting = await submitted(app, ada)
    # As if it had been sent in the moment in which the board was hidden.
    await rows(app, "UPDATE leaderboards SET retired = true")

    with pytest.raises(Conflict, match="taken off the list"):
        await rerun.rerun(app, await admin(app), before.id, "x")
    with pytest.raises(NotFound, match="no leaderboard that is shown"):
        await rejudge.ask(app, await admin(app), submission_ids=[counted.id])
    await dispatch.recover(app)

    (run,) = (await submissions.submission(app, ada, waiting.id)).runs
    assert run.status is Status.CANCELLED
    assert "taken off the list. It costs nothing" in run.ranking
    (sent,) = await rows(app, "SELECT refunded FROM submissions WHERE id = :id", id=waiting.id)
    assert sent.refunded


async def test_what_has_not_ended_counts_or_is_a_repetition_is_refused(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)
    with pytest.raises(NotFound):
        await rerun.rerun(app, root, 99, "x")
    counted = await ranked(app, ada, 1e6)
    with pytest.raises(Conflict, match="rejudge"):
        await rerun.rerun(app, root, counted.id, "x")
    await moderation.void(app, root, counted.id, "x")
    with pytest.raises(Conflict, match="passed and is void"):
        await rerun.rerun(app, root, counted.id, "x")
    await moderation.restore(app, root, counted.id, "x")
    (again,) = await rejudge.ask(app, root, submission_ids=[counted.id])
    assert again.rejudge_id is not None
    with pytest.raises(Conflict, match=f"measures submission {counted.id} again"):
        await rerun.rerun(app, root, again.rejudge_id, "x")
    waiting = await submitted(app, ada)
    with pytest.raises(Conflict, match="has not ended"):
        await rerun.rerun(app, root, waiting.id, "x")


async def test_members_run_nobodys_again(app: App) -> None:
    ada = await make_actor(app)
    view = await failed(app, ada)

    with pytest.raises(Forbidden):
        await rerun.rerun(app, ada, view.id, "x")
