"""Before a prize is paid out what is ranked is judged again; no entry is lost by that, and a person decides."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.ranking import Entry
from kernelbot.domain.submission import Rejudged
from kernelbot.errors import Conflict, Forbidden, InvalidInput, NotFound
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services import (
    dispatch,
    identity,
    moderation,
    publish,
    quarantine,
    rejudge,
    standings,
    submissions,
    submit,
)
from kernelbot.services.publish import Source
from kernelbot.services.views import RejudgeView
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, judge_one, make_actor, make_verdict, ranked, submitted
from tests.services.contest import board, catalog_of, contest, frozen, now, posed_anew, published


async def admin(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def entries(app: App, gpu: str = "CPU") -> list[Entry]:
    page = await standings.standings(app, await admin(app), "vectoradd", gpu)
    return [item.entry for item in page.items]


async def result(app: App) -> RejudgeView:
    """The latest that was judged again."""
    found: RejudgeView = (await rejudge.results(app, await admin(app))).items[0]
    return found


async def asked(app: App, *submission_ids: int) -> tuple[RejudgeView, ...]:
    return await rejudge.ask(app, await admin(app), submission_ids=submission_ids)


# --- asking for it -------------------------------------------------------------------------------


async def test_an_entry_is_run_again_as_it_was_sent_and_keeps_its_place_meanwhile(app: App) -> None:
    first = await ranked(app, await make_actor(app), 2e6)
    before = await entries(app)

    (view,) = await asked(app, first.id)

    assert (view.submission_id, view.gpu, view.state) == (first.id, "CPU", Rejudged.QUEUED)
    assert await entries(app) == before
    held = await judge_one(app, make_verdict(ns=2e6))
    assert (held.submission_id, held.job.mode, held.code) == (view.rejudge_id, Mode.RANKED, CODE)


async def test_the_first_rows_of_a_leaderboard_are_judged_again_on_each_gpu(app: App) -> None:
    for place, name in enumerate(("ada", "bob", "cy")):
        await ranked(app, await make_actor(app, name), 1e6 * (1 + place))

    planned = await rejudge.ask(app, await admin(app), leaderboard="VectorAdd", top=2, dry_run=True)
    queued = await rejudge.ask(app, await admin(app), leaderboard="vectoradd", top=2)
    on_one = await rejudge.ask(app, await admin(app), leaderboard="vectoradd", gpu="cpu", top=1)

    assert [(item.user_name, item.state) for item in planned] == [
        ("ada", Rejudged.PLANNED),
        ("bob", Rejudged.PLANNED),
    ]
    assert [item.user_name for item in queued] == ["ada", "bob"]
    assert [(item.user_name, item.under_way) for item in on_one] == [("ada", True)]


async def test_code_that_is_ranked_on_several_gpus_is_judged_again_on_all_or_one(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    sent = await submitted(app, await make_actor(app), gpus=("CPU", "T4"))
    for gpu in ("CPU", "T4"):
        await judge_one(app, make_verdict(ns=1e6), gpu=gpu)

    (on_one,) = await rejudge.ask(app, await admin(app), submission_ids=[sent.id], gpu="t4")
    on_all = await rejudge.ask(app, await admin(app), leaderboard="vectoradd")

    assert (on_one.gpu, on_one.under_way) == ("T4", False)
    assert {(item.gpu, item.under_way) for item in on_all} == {("CPU", False), ("T4", True)}
    with pytest.raises(NotFound, match="on 'H100'"):
        await rejudge.ask(app, await admin(app), submission_ids=[sent.id], gpu="H100")


async def test_a_dry_run_queues_nothing_and_writes_nothing_down(app: App) -> None:
    first = await ranked(app, await make_actor(app), 1e6)

    await rejudge.ask(app, await admin(app), submission_ids=[first.id], dry_run=True)

    assert (await rejudge.results(app, await admin(app))).items == ()
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
    written = await moderation.audit(app, await admin(app), target=f"submission:{first.id}")
    assert written.items == ()


async def test_who_asks_twice_at_once_has_it_judged_once(app: App) -> None:
    first = await ranked(app, await make_actor(app), 1e6)

    both = await asyncio.gather(asked(app, first.id), asked(app, first.id))

    assert len({view.rejudge_id for (view,) in both}) == 1
    assert sorted(view.under_way for (view,) in both) == [False, True]
    assert len((await rejudge.results(app, await admin(app))).items) == 1


async def test_submissions_of_the_same_code_are_one_entry(app: App) -> None:
    ada = await make_actor(app)
    first, second = await ranked(app, ada, 1e6), await ranked(app, ada, 1e6)

    (view,) = await asked(app, second.id, first.id)

    assert view.submission_id == first.id


async def test_judging_again_costs_no_allowance_and_asks_for_no_window(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest(ranked_per_hour=1))
    first = await ranked(app, ada, 1e6)
    closed = contest(board(closes=now() - timedelta(hours=1)), ranked_per_hour=1)
    await published(app, shelf, closed)

    await asked(app, first.id)
    await judge_one(app)

    assert (await result(app)).state is Rejudged.AGREES
    (allowance,) = await submit.allowance(app, ada)
    assert allowance.ranked_left == 0  # what ada sent, and no more
    await published(app, shelf, contest(ranked_per_hour=2))
    (allowance,) = await submit.allowance(app, ada)
    assert allowance.ranked_left == 1


async def test_what_is_judged_again_waits_behind_everybody(app: App) -> None:
    first = await ranked(app, await make_actor(app), 1e6)
    await asked(app, first.id)
    await submitted(app, await make_actor(app, "bob"), mode="test")

    assert (await judge_one(app)).job.mode is Mode.TEST


@pytest.mark.parametrize(
    "wish", [{}, {"submission_ids": (1,), "leaderboard": "vectoradd"}], ids=["neither", "both"]
)
async def test_either_submissions_or_a_leaderboard_are_named(
    app: App, wish: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput, match="one of the two"):
        await rejudge.ask(app, await admin(app), **wish)


async def test_only_what_is_ranked_is_judged_again(app: App) -> None:
    ada, root = await make_actor(app), await admin(app)
    await submitted(app, ada)
    await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER))
    voided = await ranked(app, ada, 1e6, b"a = 1\n")
    await moderation.void(app, root, voided.id, "Copied.")

    for submission_id in (1, voided.id, 99, 10**30, 0):
        with pytest.raises(NotFound, match="stands on no leaderboard"):
            await asked(app, submission_id)
    with pytest.raises(NotFound, match="Nobody is ranked"):
        await rejudge.ask(app, root, leaderboard="vectoradd")
    with pytest.raises(NotFound, match="There is no leaderboard"):
        await rejudge.ask(app, root, leaderboard="nothing", gpu="CPU")


async def test_members_have_nothing_judged_again_see_nothing_and_cancel_nothing(app: App) -> None:
    ada = await make_actor(app)
    first = await ranked(app, ada, 1e6)
    (view,) = await asked(app, first.id)
    assert view.rejudge_id is not None

    with pytest.raises(Forbidden):
        await rejudge.ask(app, ada, submission_ids=[first.id])
    with pytest.raises(Forbidden):
        await rejudge.results(app, ada)
    with pytest.raises(Forbidden, match="only they cancel it"):
        await submit.cancel(app, ada, view.rejudge_id)

    await submit.cancel(app, await admin(app), view.rejudge_id)
    assert (await result(app)).state is Rejudged.CANCELLED
    assert [entry.runs for entry in await entries(app)] == [1]


# --- what comes of it ----------------------------------------------------------------------------


async def test_a_run_that_agrees_is_pooled_with_the_earlier_ones(app: App) -> None:
    first = await ranked(app, await make_actor(app), 2e6)
    await asked(app, first.id)
    await judge_one(app, make_verdict(ns=2.004e6))

    view = await result(app)
    assert (view.state, view.same_worker, view.earlier_devices) == (
        Rejudged.AGREES,
        False,
        ("a processor",),
    )
    assert view.counted is not None
    assert view.score is not None
    assert view.counted.runs == 1
    assert view.counted.seconds == pytest.approx(2e-3)
    assert view.score.seconds == pytest.approx(2.004e-3)
    (entry,) = await entries(app)
    assert (entry.submission_id, entry.runs, entry.submitted_at) == (first.id, 2, first.created_at)
    assert entry.seconds == pytest.approx(math.sqrt(2.0 * 2.004) * 1e-3)
    assert entry.error < view.counted.error


@pytest.mark.parametrize("ns", [2.1e6, 1.9e6], ids=["slower", "faster"])
async def test_a_run_that_differs_waits_for_an_organizer_and_changes_no_place(
    app: App, ns: float
) -> None:
    first = await ranked(app, await make_actor(app), 2e6)
    before = await entries(app)
    await asked(app, first.id)
    held = await judge_one(app, make_verdict(ns=ns))

    assert await entries(app) == before
    view = await result(app)
    assert (view.state, view.run_id) == (Rejudged.DIFFERS, held.run_id)
    assert view.apart is not None
    assert abs(view.apart) == pytest.approx(abs(math.log(ns / 2e6)) / math.hypot(0.0015, 0.0015))
    (waiting,) = (await quarantine.waiting(app, await admin(app))).items
    assert (waiting.run_id, waiting.rule) == (held.run_id, "judged again: another time")
    assert "joint standard errors" in waiting.evidence


async def test_a_run_that_differs_is_pooled_once_an_organizer_lets_it_count(app: App) -> None:
    first = await ranked(app, await make_actor(app), 2e6)
    await asked(app, first.id)
    held = await judge_one(app, make_verdict(ns=2.1e6))

    await quarantine.release(app, await admin(app), held.run_id, "Another machine.")

    (entry,) = await entries(app)
    assert entry.runs == 2
    assert entry.seconds == pytest.approx(math.sqrt(2.0 * 2.1) * 1e-3)
    assert entry.error == pytest.approx(math.log(2.1 / 2.0) / 2)  # from their spread
    assert (await result(app)).state is Rejudged.RELEASED


async def test_a_run_that_is_refused_leaves_the_entry_where_it_was(app: App) -> None:
    ada = await make_actor(app)
    first = await ranked(app, ada, 2e6)
    before = await entries(app)
    (view,) = await asked(app, first.id)
    held = await judge_one(app, make_verdict(ns=4e6))

    await quarantine.refuse(app, await admin(app), held.run_id, "A throttled machine.")

    assert await entries(app) == before
    assert (await result(app)).state is Rejudged.REFUSED
    assert view.rejudge_id is not None
    (run,) = (await submissions.submission(app, ada, view.rejudge_id)).runs
    assert run.kind is VerdictKind.DISQUALIFIED
    assert "what counted before stays" in run.ranking


@pytest.mark.parametrize(
    "kind", [VerdictKind.WRONG_ANSWER, VerdictKind.CRASHED, VerdictKind.TIMED_OUT]
)
async def test_a_run_that_fails_waits_for_an_organizer_and_cannot_be_made_to_count(
    app: App, kind: VerdictKind
) -> None:
    root = await admin(app)
    first = await ranked(app, await make_actor(app), 2e6)
    before = await entries(app)
    await asked(app, first.id)
    held = await judge_one(app, make_verdict(kind, message="in case 3"))

    assert await entries(app) == before
    assert (await result(app)).state is Rejudged.FAILED
    (waiting,) = (await quarantine.waiting(app, root)).items
    assert waiting.evidence.endswith(f"this one: {kind.value.replace('_', ' ')}: in case 3")
    with pytest.raises(Conflict, match=f"void submission {first.id}"):
        await quarantine.release(app, root, held.run_id, "Never mind.")

    await quarantine.refuse(app, root, held.run_id, "It guesses.")
    assert await entries(app) == before
    await moderation.void(app, root, first.id, "It guesses.")
    assert await entries(app) == []


async def test_a_run_whose_evidence_contradicts_itself_waits_like_any_other(app: App) -> None:
    first = await ranked(app, await make_actor(app), 2e6)
    before = await entries(app)
    await asked(app, first.id)
    doubtful = make_verdict(VerdictKind.QUARANTINED, ns=2e6)
    await judge_one(app, dataclasses.replace(doubtful, rule="clocks disagree", evidence="2 or 90"))

    view = await result(app)
    assert (view.state, "clocks disagree: 2 or 90" in view.text) == (Rejudged.CONTRADICTS, True)
    assert await entries(app) == before


async def test_a_run_that_we_fail_leaves_the_entry_and_says_so(app: App) -> None:
    ada = await make_actor(app)
    first = await ranked(app, ada, 2e6)
    before = await entries(app)
    (view,) = await asked(app, first.id)
    for _ in range(app.settings.attempts - 1):
        await judge_one(app, make_verdict(VerdictKind.JUDGE_FAILED))
        await asyncio.sleep(0)
        await _due(app)
    await judge_one(app, make_verdict(VerdictKind.JUDGE_FAILED))

    assert await entries(app) == before
    found = await result(app)
    assert (found.state, found.text) == (
        Rejudged.JUDGE_FAILED,
        "Our machine failed. The entry keeps its place; judge it again.",
    )
    assert view.rejudge_id is not None
    (run,) = (await submissions.submission(app, ada, view.rejudge_id)).runs
    assert run.ranking.endswith("That says nothing about the code: the place stays.")
    (again,) = await asked(app, first.id)
    assert (again.under_way, again.state) == (False, Rejudged.QUEUED)


async def _due(app: App) -> None:
    """What was put back for later may be taken now."""
    async with app.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE pgqueuer SET execute_after = now()")


async def test_noise_that_earlier_runs_showed_of_one_another_is_no_difference(app: App) -> None:
    ada = await make_actor(app)
    for ns in (1.9e6, 2.0e6, 2.1e6):
        first = await ranked(app, ada, ns)
    await asked(app, first.id)
    await judge_one(app, make_verdict(ns=2.15e6))

    assert (await result(app)).state is Rejudged.AGREES


async def test_it_is_said_when_the_same_worker_judged_again(app: App) -> None:
    worker = uuid.uuid4()
    first = await submitted(app, await make_actor(app))
    (held,) = await dispatch.claim(app, worker, {"CPU": 1})
    await dispatch.finish(app, held, make_verdict())
    await asked(app, first.id)
    assert (await result(app)).same_worker is None

    await dispatch.claim(app, worker, {"CPU": 1})

    found = await result(app)
    assert (found.state, found.same_worker) == (Rejudged.RUNNING, True)


async def test_nothing_of_it_is_announced(app: App) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await ranked(app, ada, 2e6)
    behind = await ranked(app, bob, 2.009e6)
    before = await _announced(app)
    await asked(app, behind.id)
    await judge_one(app, make_verdict(ns=2.0e6))

    page = await standings.standings(app, None, "vectoradd", "CPU")
    assert [item.rank for item in page.items] == [1, 1]  # bob was second
    assert await _announced(app) == before


async def _announced(app: App) -> int:
    async with app.database.read() as connection:
        found = await connection.exec_driver_sql("SELECT count(*) FROM outbox")
        return int(found.scalar_one())


async def test_what_somebody_suspended_sent_before_is_judged_again_and_counts(app: App) -> None:
    first = await ranked(app, await make_actor(app, "ada"), 2e6)
    until = datetime.now(UTC) + timedelta(days=1)
    await moderation.ban(app, await admin(app), "ada", until, "Several accounts.")
    await asked(app, first.id)
    await judge_one(app, make_verdict(ns=2e6))

    assert [entry.runs for entry in await entries(app)] == [2]


# --- who is told ---------------------------------------------------------------------------------


async def test_the_owner_sees_that_it_was_judged_again_and_what_came_of_it(app: App) -> None:
    ada = await make_actor(app)
    first = await ranked(app, ada, 2e6)
    (view,) = await asked(app, first.id)
    await judge_one(app, make_verdict(ns=2e6))
    assert view.rejudge_id is not None

    (run,) = (await submissions.submission(app, ada, first.id)).runs
    (again,) = (await submissions.submission(app, ada, view.rejudge_id)).runs
    newest, oldest = (await submissions.mine(app, ada)).items
    steps = await submissions.events(app, first.id, 0)

    words = f"Judged again at an organizer's wish: submission {view.rejudge_id}."
    assert run.ranking.startswith("Ranked 1st of 1")
    assert run.ranking.endswith(words)
    assert again.ranking.startswith(
        f"Submission {first.id}, judged again at an organizer's wish. Ranked 1st of 1 with"
    )
    assert (newest.repeats, newest.channel) == (first.id, "rejudge")
    assert oldest.runs[0].ranking == f"Ranked. {words}"
    assert (steps[-1].kind, steps[-1].data["submission"]) == ("rejudge", view.rejudge_id)


async def test_who_asked_is_in_the_audit_log(app: App) -> None:
    root = await admin(app)
    first = await ranked(app, await make_actor(app), 2e6)
    (view,) = await asked(app, first.id)

    (line,) = (await moderation.audit(app, root, target=f"submission:{first.id}")).items
    assert line["action"] == "submission.rejudge"
    assert line["detail"] == {"submission": view.rejudge_id, "gpu": "CPU"}


async def test_results_are_read_by_leaderboard_and_by_entry_in_parts(app: App) -> None:
    root = await admin(app)
    sent = [await ranked(app, await make_actor(app, name), 1e6) for name in ("ada", "bob")]
    await asked(app, *(item.id for item in sent))

    page = await rejudge.results(app, root, leaderboard="VECTORADD", limit=1)
    rest = await rejudge.results(app, root, cursor=page.cursor)
    of_ada = await rejudge.results(app, root, submission_id=sent[0].id)
    elsewhere = await rejudge.results(app, root, leaderboard="matmul")

    assert [item.submission_id for item in (*page.items, *rest.items)] == [sent[1].id, sent[0].id]
    assert [item.submission_id for item in of_ada.items] == [sent[0].id]
    assert (rest.cursor, elsewhere.items) == (None, ())


# --- beside what else happens to a leaderboard ---------------------------------------------------


async def test_in_a_freeze_others_see_nothing_of_it(app: App, shelf: Path) -> None:
    await published(app, shelf, contest())
    first = await ranked(app, await make_actor(app), 2e6)
    await published(app, shelf, contest(board(freeze=frozen())))
    await asked(app, first.id)
    await judge_one(app, make_verdict(ns=2.002e6))

    (shown,) = (await standings.standings(app, None, "vectoradd", "CPU")).items
    assert shown.entry.runs == 1
    assert shown.entry.seconds == pytest.approx(2e-3)
    assert [entry.runs for entry in await entries(app)] == [2]


async def test_publishing_the_same_files_leaves_what_waits_to_be_judged_again(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest())
    first = await ranked(app, await make_actor(app), 2e6)
    await asked(app, first.id)

    await published(app, shelf, contest(title="Another title"))

    assert (await result(app)).state is Rejudged.QUEUED
    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 0


async def test_what_waits_when_the_problem_changes_is_measured_on_the_new_version(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest())
    first = await ranked(app, await make_actor(app), 2e6)
    await asked(app, first.id)

    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), Source())

    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 1
    await judge_one(app, make_verdict(ns=9e6))
    assert [entry.seconds for entry in await entries(app)] == [pytest.approx(9e-3)]
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
