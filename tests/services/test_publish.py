"""From files to the database: what is planned is what is done, and what was promised holds."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kernelbot.app import App
from kernelbot.domain.competition import Competition, Prize
from kernelbot.domain.competition_scoring import CompetitionScoring, Share
from kernelbot.domain.field_task import FieldTask
from kernelbot.domain.people import Actor
from kernelbot.errors import Conflict, NotFound
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import (
    announce,
    competition_standings,
    competitions,
    dispatch,
    identity,
    moderation,
    publish,
    quarantine,
    standings,
    submissions,
    submit,
)
from kernelbot.services.catalog import Catalog
from kernelbot.services.publish import Kind, Source
from tests.conftest import ADMIN_TOKEN
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted
from tests.patience import until
from tests.services.contest import (
    HOUR,
    board,
    catalog_of,
    contest,
    frozen,
    now,
    posed_anew,
    published,
)

OURS = Source()
ELSEWHERE = Source(name="https://git.example/rounds.git", pinned="c0ffee")


async def planned(app: App, catalog: Catalog, source: Source = OURS) -> list[tuple[str, str]]:
    found = await publish.plan(app, catalog, source)
    return [(change.kind.value, change.what) for change in found.changes]


async def names(app: App) -> list[str]:
    return [item.name for item in await standings.leaderboards(app)]


async def test_a_plan_writes_nothing_and_applying_it_leaves_nothing_to_plan(
    app: App, shelf: Path
) -> None:
    catalog = catalog_of(app, shelf, contest(board("matmul", points=5), title="Other"))
    before = await names(app)

    first = await publish.plan(app, catalog, OURS)
    assert await names(app) == before
    done = await publish.apply(app, catalog, OURS)

    assert first == done
    assert {(change.kind, change.what) for change in done.changes} >= {
        (Kind.CHANGED, "competition getting-started"),
        (Kind.CHANGED, "leaderboard matmul"),
        (Kind.HIDDEN, "leaderboard vectoradd"),
    }
    assert await names(app) == ["matmul"]
    assert await planned(app, catalog) == []


async def test_what_another_version_stored_is_replaced(app: App, shelf: Path) -> None:
    catalog = catalog_of(app, shelf, contest())
    await publish.apply(app, catalog, OURS)
    async with app.database.transaction() as connection:
        await connection.exec_driver_sql(
            """UPDATE competitions SET document = document || '{"unknown": 1}'"""
        )

    assert await planned(app, catalog) == [("changed", "competition getting-started")]
    await publish.apply(app, catalog, OURS)
    assert await planned(app, catalog) == []


async def test_a_plan_tells_each_value_that_changes(app: App, shelf: Path) -> None:
    await published(app, shelf, contest())

    found = await publish.plan(
        app, catalog_of(app, shelf, contest(board(closes=now()), team_size=3)), Source()
    )

    assert sorted(change.detail.split(" -> ")[0] for change in found.changes) == [
        "closes: none",
        "team_size: 1",
    ]


async def test_a_plan_says_lists_and_tables_in_words(app: App, shelf: Path) -> None:
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))

    prizes = (Prize(prize="A book"), Prize(prize="A pen", place=2))
    changed = contest(board(weight=0.1 + 0.2), prizes=prizes)
    found = await publish.plan(app, catalog_of(app, shelf, changed), OURS)

    assert {change.detail for change in found.changes} == {
        "gpus: CPU, T4 -> CPU",
        "weight: 1 -> 0.3",
        "prizes: none -> prize A book, place 1; prize A pen, place 2",
    }


async def test_what_comes_from_elsewhere_is_pinned_and_outlives_the_next_start(
    app: App, shelf: Path
) -> None:
    ours, theirs = contest(), contest(board("theirs", problem="matmul"), name="theirs")
    await published(app, shelf, ours)
    await published(app, shelf, theirs, source=ELSEWHERE)

    await published(app, shelf, ours)

    assert await names(app) == ["vectoradd", "theirs"]
    view = await competitions.competition(app, None, "theirs")
    assert (view.source, view.pinned) == (ELSEWHERE.name, "c0ffee")
    newer = dataclasses.replace(ELSEWHERE, pinned="c0ffee2")
    assert await planned(app, catalog_of(app, shelf, theirs), newer) == [
        ("changed", "competition theirs")
    ]


async def test_what_a_source_no_longer_defines_is_hidden_and_one_file_hides_nothing_else(
    app: App, shelf: Path
) -> None:
    one = contest(board("one", problem="matmul"), name="one")
    two = contest(board("two", problem="matmul"), name="two")
    await published(app, shelf, one, two, source=ELSEWHERE)

    alone = dataclasses.replace(ELSEWHERE, whole=False)
    assert await planned(app, catalog_of(app, shelf, one), alone) == []
    await published(app, shelf, one, source=ELSEWHERE)

    assert "two" not in await names(app)
    assert "one" in await names(app)
    with pytest.raises(NotFound):
        await competitions.competition(app, None, "two")


async def test_a_problem_for_several_gpus_is_not_offered_on_kinds_with_fewer(
    app: App, shelf: Path
) -> None:
    spec = board("all", problem="matmul", gpus=("CPU", "H200", "H200x4", "MI300Xx8"))
    catalog = posed_anew(
        catalog_of(app, shelf, contest(spec, name="round")), "matmul", world_size=4
    )

    plan = await publish.plan(app, catalog, ELSEWHERE)

    (refusal,) = [change for change in plan.refusals if change.what == "leaderboard all"]
    assert refusal.detail == (
        "matmul runs on 4 GPUs at once, and H200 has 1. "
        "Name a kind with 'gpus: 4' or more in the file of targets"
    )


async def test_a_problem_for_some_numbers_of_gpus_is_offered_on_kinds_with_just_these(
    app: App, shelf: Path
) -> None:
    spec = board("all", problem="matmul", gpus=("CPU", "H200", "H200x2", "H200x4", "H200x8"))
    catalog = posed_anew(
        catalog_of(app, shelf, contest(spec, name="round")),
        "matmul",
        world_size=4,
        world_sizes=(2, 4),
    )

    plan = await publish.plan(app, catalog, ELSEWHERE)

    found = [change.detail for change in plan.refusals if change.what == "leaderboard all"]
    remedy = "Name a kind with 'gpus: 2 or 4' in the file of targets"
    assert found == [
        f"matmul runs on 2 or 4 GPUs at once, and H200 has 1. {remedy}",
        f"matmul runs on 2 or 4 GPUs at once, and H200x8 has 8. {remedy}",
    ]


async def test_a_task_of_the_field_for_several_gpus_is_not_offered_on_kinds_with_fewer(
    app: App, shelf: Path
) -> None:
    spec = board("all", problem="matmul", gpus=("H100", "MI300Xx8"))
    catalog = posed_anew(
        catalog_of(app, shelf, contest(spec, name="round")), "matmul", task=FieldTask(world_size=8)
    )

    plan = await publish.plan(app, catalog, ELSEWHERE)

    (refusal,) = [change for change in plan.refusals if change.what == "leaderboard all"]
    assert refusal.detail.startswith("matmul runs on 8 GPUs at once, and H100 has 1. Name a kind")


async def test_nobody_takes_a_leaderboard_from_somebody_elses_competition(
    app: App, shelf: Path
) -> None:
    catalog = catalog_of(app, shelf, contest(name="thief"))

    assert ("refused", "leaderboard vectoradd") in await planned(app, catalog, ELSEWHERE)
    with pytest.raises(Conflict, match="belongs to the competition getting-started"):
        await publish.apply(app, catalog, ELSEWHERE)

    assert (await standings.leaderboard(app, None, "vectoradd")).competition == "getting-started"


async def test_a_competition_may_be_renamed_with_its_leaderboards(app: App, shelf: Path) -> None:
    await published(app, shelf, contest(name="renamed"))

    assert (await standings.leaderboard(app, None, "vectoradd")).competition == "renamed"


async def test_a_licence_stays_once_somebody_has_submitted_under_it(app: App, shelf: Path) -> None:
    await published(app, shelf, contest())
    await published(app, shelf, contest(licence="Apache-2.0"))
    await submitted(app, await make_actor(app))

    with pytest.raises(
        Conflict, match="keep it, or give the competition and its leaderboards new names"
    ):
        await published(app, shelf, contest(licence="GPL-3.0", title="Another"))

    view = await competitions.competition(app, None, "getting-started")
    assert (view.document["licence"], view.document["title"]) == ("Apache-2.0", "A contest")


async def test_code_opens_no_earlier_than_those_who_submitted_were_told(
    app: App, shelf: Path
) -> None:
    at = now()
    await published(app, shelf, contest(board(code_opens=at + HOUR)))
    await submitted(app, await make_actor(app))

    for opens in (at + 2 * HOUR, None):
        await published(app, shelf, contest(board(code_opens=opens)))
    with pytest.raises(Conflict, match="code was to open never"):
        await published(app, shelf, contest(board(code_opens=at + 9 * HOUR)))


async def test_texts_deadlines_and_gpus_change_without_measuring_again(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest())
    await ranked(app, ada, 1e6)
    later = contest(board(gpus=("CPU", "T4"), closes=now() + HOUR), rules="Be kind.")

    await publish.apply(app, posed_anew(catalog_of(app, shelf, later), title="Sums"), OURS)

    assert (await standings.standings(app, None, "vectoradd", "CPU")).total == 1
    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 0


async def test_what_was_promised_outlives_a_leaderboard_that_was_out_for_a_while(
    app: App, shelf: Path
) -> None:
    both = board(), board("matmul")
    await published(app, shelf, contest(*both))
    await submitted(app, await make_actor(app))
    await published(app, shelf, contest(both[1]))

    with pytest.raises(Conflict, match="code was to open never"):
        await published(app, shelf, contest(board(code_opens=now()), both[1]))
    with pytest.raises(Conflict, match="under its licence"):
        await published(app, shelf, contest(both[1], licence="GPL-3.0"))
    back = catalog_of(app, shelf, contest(*both))
    assert await planned(app, back) == [("changed", "leaderboard vectoradd")]
    await publish.apply(app, back, OURS)
    assert await planned(app, back) == []


async def test_what_was_promised_outlives_a_competition_that_was_out_for_a_while(
    app: App, shelf: Path
) -> None:
    away = contest(board("theirs", problem="matmul"), name="theirs")
    await published(app, shelf, contest(), away)
    await submitted(app, await make_actor(app), leaderboard="theirs")
    await published(app, shelf, contest())

    opened = contest(board("theirs", problem="matmul", code_opens=now()), name="theirs")
    with pytest.raises(Conflict, match="code was to open never"):
        await published(app, shelf, contest(), opened)


async def test_what_was_promised_outlives_another_name_of_the_competition(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest())
    await submitted(app, await make_actor(app))

    with pytest.raises(Conflict, match="under the licence of getting-started"):
        await published(app, shelf, contest(name="renamed", licence="GPL-3.0"))
    with pytest.raises(Conflict, match="code was to open never"):
        await published(app, shelf, contest(board(code_opens=now()), name="renamed"))
    await published(app, shelf, contest(name="renamed"))


async def test_when_code_opens_is_compared_as_an_instant_in_any_zone(app: App, shelf: Path) -> None:
    def opening(stamp: str) -> Competition:
        return contest(board(code_opens=datetime.fromisoformat(stamp)))

    await published(app, shelf, opening("2027-03-01T00:00:00+00:00"))
    await submitted(app, await make_actor(app))

    with pytest.raises(Conflict, match="only a later time is possible"):
        await published(app, shelf, opening("2027-03-01T01:00:00+14:00"))
    await published(app, shelf, opening("2027-02-28T23:30:00-12:00"))


async def test_a_leaderboard_that_people_submitted_to_keeps_its_problem(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest())
    other = contest(board(problem="matmul"))
    assert await planned(app, catalog_of(app, shelf, other)) == [
        ("changed", "leaderboard vectoradd")
    ]
    await submitted(app, await make_actor(app))

    with pytest.raises(Conflict, match="submitted to it for the problem vectoradd"):
        await published(app, shelf, other)


@pytest.mark.parametrize("shown", [True, False])
async def test_what_came_from_one_source_is_taken_over_by_another_only_on_request(
    app: App, shelf: Path, shown: bool
) -> None:
    theirs = contest(board("theirs", problem="matmul"), name="theirs")
    await published(app, shelf, contest(), theirs)
    if not shown:
        await published(app, shelf, contest())
    again, board_only = (
        catalog_of(app, shelf, dataclasses.replace(theirs, name=name)) for name in ("theirs", "new")
    )

    assert ("refused", "competition theirs") in await planned(app, again, ELSEWHERE)
    assert ("refused", "leaderboard theirs") in await planned(app, board_only, ELSEWHERE)
    with pytest.raises(Conflict, match="files come from the problems folder of this installation"):
        await publish.apply(app, again, ELSEWHERE)
    await publish.apply(app, again, dataclasses.replace(ELSEWHERE, takes_over=True))
    assert (await competitions.competition(app, None, "theirs")).source == ELSEWHERE.name


async def test_a_hidden_competition_is_gone_until_its_files_are_applied_again(
    app: App, shelf: Path
) -> None:
    theirs = contest(board("theirs", problem="matmul"), name="theirs")
    alone = dataclasses.replace(ELSEWHERE, whole=False)
    await published(app, shelf, contest())
    await published(app, shelf, theirs, source=alone)

    await publish.hide(app, "Theirs")

    assert await names(app) == ["vectoradd"]
    with pytest.raises(NotFound):
        await publish.hide(app, "theirs")
    await published(app, shelf, theirs, source=alone)
    assert await names(app) == ["vectoradd", "theirs"]


# --- measuring again -------------------------------------------------------------------------------


async def test_a_changed_problem_is_planned_and_everybodys_best_is_measured_again(
    app: App, shelf: Path
) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await published(app, shelf, contest())
    catalog = posed_anew(catalog_of(app, shelf, contest()))
    first = await ranked(app, ada, 2e6)
    await ranked(app, ada, 3e6, b"# slower\nprint()\n")
    await ranked(app, bob, 4e6)

    assert await planned(app, catalog) == [("re-measured", "leaderboard vectoradd")]
    await publish.apply(app, catalog, OURS)

    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 2
    told = (await submissions.submission(app, ada, first.id)).runs[0].ranking
    assert told == (
        "Not ranked any more: the problem has a new version since. "
        "It is measured again as submission 4."
    )
    for ns in (1e6, 5e6):
        held = await judge_one(app, make_verdict(ns=ns))
        assert held.job.problem_digest == catalog.problems["vectoradd"].digest
    page = await standings.standings(app, None, "vectoradd", "CPU")
    assert [(item.entry.user_name, item.entry.seconds) for item in page.items] == [
        ("ada", pytest.approx(1e-3)),
        ("bob", pytest.approx(5e-3)),
    ]
    assert page.items[0].entry.submitted_at == first.created_at
    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 0


async def test_measuring_again_costs_nobody_anything_and_waits_behind_everybody(
    app: App, shelf: Path
) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    limited = contest(ranked_per_hour=2)
    await published(app, shelf, limited)
    await ranked(app, ada, 2e6)

    await publish.apply(app, posed_anew(catalog_of(app, shelf, limited)), OURS)
    await submitted(app, bob, mode="test")

    (allowance,) = await submit.allowance(app, ada)
    assert allowance.ranked_left == 1
    assert (await judge_one(app)).job.mode.value == "test"
    repeated = (await submissions.mine(app, ada)).items[0]
    assert (repeated.repeats, repeated.channel, repeated.done) == (1, "repeat", False)


async def test_measuring_again_announces_nothing(app: App, shelf: Path) -> None:
    await published(app, shelf, contest())
    await ranked(app, await make_actor(app), 2e6)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), OURS)
    await judge_one(app)

    async with app.database.read() as connection:
        found = await connection.exec_driver_sql("SELECT count(*) FROM outbox")
        assert found.scalar_one() == 1  # from the first time


async def test_a_version_that_was_there_before_needs_no_measuring(app: App, shelf: Path) -> None:
    await published(app, shelf, contest())
    await ranked(app, await make_actor(app), 2e6)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), OURS)
    await judge_one(app)

    await published(app, shelf, contest())

    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 0
    page = await standings.standings(app, None, "vectoradd", "CPU")
    assert page.items[0].entry.seconds == pytest.approx(2e-3)


async def test_what_was_measured_again_twice_repeats_the_first(app: App, shelf: Path) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest())
    await ranked(app, ada, 2e6)
    for size in (5, 6):
        catalog = posed_anew(catalog_of(app, shelf, contest()), cpu_tests=({"size": size},))
        await publish.apply(app, catalog, OURS)
        await judge_one(app)

    assert [item.repeats for item in (await submissions.mine(app, ada)).items] == [1, 1, None]


async def test_scoring_changes_the_standings_across_problems_at_once(app: App, shelf: Path) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    boards = (board(points=100), board("matmul", points=10))
    await published(app, shelf, contest(*boards))
    with pytest.raises(NotFound, match="has no standings across its problems"):
        await competition_standings.totals(app, None, "getting-started")
    await ranked(app, ada, 2e6)
    await ranked(app, bob, 4e6)

    for places, expected in (((1.0, 0.5), [100, 50]), ((1.0,), [100, 0])):
        scoring = CompetitionScoring(places=places)
        await published(app, shelf, contest(*boards, scoring=scoring))
        page = await competition_standings.totals(app, bob, "Getting-Started", limit=1)
        assert page.total == 2
        assert page.mine is not None
        assert [page.items[0].score, page.mine.score] == expected
        rest = await competition_standings.totals(app, bob, "getting-started", cursor=page.cursor)
        assert [item.user_name for item in rest.items] == ["bob"]


async def test_one_submission_measures_a_code_again_on_all_gpus_it_stood_on(
    app: App, shelf: Path
) -> None:
    ada, everywhere = await make_actor(app), contest(board(gpus=("CPU", "T4")))
    await published(app, shelf, everywhere)
    await submitted(app, ada, gpus=("CPU", "T4"))
    for size in (5, 6, 7):
        for gpu in ("CPU", "T4"):
            held = await claim_one(app, gpu)
            assert held.gpu == gpu
            assert await dispatch.finish(app, held, make_verdict(ns=1e6))
        catalog = posed_anew(catalog_of(app, shelf, everywhere), cpu_tests=({"size": size},))
        await publish.apply(app, catalog, OURS)

    mine = (await submissions.mine(app, ada)).items
    assert [sorted(run.gpu for run in item.runs) for item in mine] == [["CPU", "T4"]] * 4


async def times(app: App) -> list[tuple[str, float]]:
    page = await standings.standings(app, None, "vectoradd", "CPU")
    return [(item.entry.user_name, round(item.entry.seconds * 1e3)) for item in page.items]


async def test_two_changes_in_a_row_lose_nobodys_standing(app: App, shelf: Path) -> None:
    await published(app, shelf, contest())
    for name, ns in (("ada", 2e6), ("bob", 4e6)):
        await ranked(app, await make_actor(app, name), ns)
    for size in (5, 6):
        catalog = posed_anew(catalog_of(app, shelf, contest()), cpu_tests=({"size": size},))
        await publish.apply(app, catalog, OURS)

    for ns in (1e6, 5e6):
        held = await judge_one(app, make_verdict(ns=ns))
        assert held.job.problem_digest == catalog.problems["vectoradd"].digest

    assert await times(app) == [("ada", 1), ("bob", 5)]
    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 0


async def test_what_still_waits_when_a_problem_changes_is_run_on_its_new_version(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest(ranked_per_hour=1))
    sent = await submitted(app, ada)
    catalog = posed_anew(catalog_of(app, shelf, contest(ranked_per_hour=1)))
    await publish.apply(app, catalog, OURS)

    held = await judge_one(app, make_verdict(ns=3e6))

    assert held.submission_id == sent.id
    assert held.job.problem_digest == catalog.problems["vectoradd"].digest
    assert await times(app) == [("ada", 3)]


async def test_what_runs_while_a_problem_changes_is_measured_again_for_nothing(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    limited = contest(ranked_per_hour=1)
    await published(app, shelf, limited)
    sent = await submitted(app, ada)
    running = await claim_one(app)
    for size in (5, 6):  # the repeat of the first is running, too, when the second change comes
        catalog = posed_anew(catalog_of(app, shelf, limited), cpu_tests=({"size": size},))
        await publish.apply(app, catalog, OURS)
        assert await dispatch.finish(app, running, make_verdict(ns=2e6))
        running = await claim_one(app)
    assert await dispatch.finish(app, running, make_verdict(ns=3e6))

    mine = (await submissions.mine(app, ada)).items
    assert [item.repeats for item in mine] == [sent.id, sent.id, None]
    assert "it is measured again" in mine[-1].runs[0].ranking
    assert await times(app) == [("ada", 3)]


# --- the places that people had --------------------------------------------------------------------


async def places(app: App) -> list[tuple[int, str, float, bool]]:
    """Rank, name, milliseconds, and whether it is of an earlier version."""
    page = await standings.standings(app, None, "vectoradd", "CPU")
    assert [item.position for item in page.items] == list(range(1, page.total + 1))
    return [
        (item.rank, item.entry.user_name, round(item.entry.seconds * 1e3), item.earlier is not None)
        for item in page.items
    ]


def version(app: App, shelf: Path, size: int, *boards: Any, **values: Any) -> Catalog:
    return posed_anew(
        catalog_of(app, shelf, contest(*boards, **values)), cpu_tests=({"size": size},)
    )


@pytest.fixture
async def field(app: App, shelf: Path) -> dict[str, Actor]:
    """Three who are ranked in this order."""
    await published(app, shelf, contest())
    made = {name: await make_actor(app, name) for name in ("ada", "bob", "cy")}
    for (name, actor), ns in zip(made.items(), (2e6, 4e6, 6e6), strict=True):
        await ranked(app, actor, ns, f"# {name}\nprint()\n".encode())
    return made


async def test_everybody_keeps_their_place_labelled_until_they_are_measured_again(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    await publish.apply(app, version(app, shelf, 5), OURS)
    assert await places(app) == [
        (1, "ada", 2, True),
        (2, "bob", 4, True),
        (3, "cy", 6, True),
    ]

    await judge_one(app, make_verdict(ns=9e6))
    assert await places(app) == [(1, "ada", 9, False), (2, "bob", 4, True), (3, "cy", 6, True)]
    await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER))
    assert await places(app) == [(1, "ada", 9, False), (3, "cy", 6, True)]
    await judge_one(app, make_verdict(ns=3e6))
    assert await places(app) == [(1, "cy", 3, False), (2, "ada", 9, False)]


async def test_whoever_is_measured_in_vain_by_no_fault_of_theirs_keeps_the_place_meanwhile(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await publish.apply(app, version(app, shelf, 5), OURS)
    held = await judge_one(app, make_verdict(VerdictKind.QUARANTINED, ns=1e6))
    for _ in range(app.settings.attempts):
        failed = await until(lambda: dispatch.claim(app, uuid.uuid4(), {"CPU": 1}))
        await dispatch.finish(app, failed[0], make_verdict(VerdictKind.JUDGE_FAILED))
        await asyncio.sleep(0.5)

    assert [(name, earlier) for _, name, _, earlier in await places(app)] == [
        ("ada", True),
        ("bob", True),
        ("cy", True),
    ]
    await quarantine.refuse(app, admin, held.run_id, "no")
    assert "ada" not in [name for _, name, _, _ in await places(app)]


async def test_who_is_void_or_goes_keeps_no_earlier_place(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await publish.apply(app, version(app, shelf, 5), OURS)

    await moderation.void(app, admin, 1, "it copied")
    assert await places(app) == [(1, "bob", 4, True), (2, "cy", 6, True)]
    (repeat, _) = (await submissions.mine(app, field["cy"])).items
    await submit.cancel(app, field["cy"], repeat.id)
    assert await places(app) == [(1, "bob", 4, True)]


async def test_a_version_that_nothing_passes_loses_nobodys_standing(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    await publish.apply(app, version(app, shelf, 5), OURS)
    for _ in field:
        await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER))
    assert await places(app) == []

    mended = version(app, shelf, 6)
    (change,) = (await publish.plan(app, mended, OURS)).changes
    assert "results of 3 people" in change.detail
    await publish.apply(app, mended, OURS)

    assert [(name, earlier) for _, name, _, earlier in await places(app)] == [
        ("ada", True),
        ("bob", True),
        ("cy", True),
    ]
    for ns in (1e6, 2e6, 3e6):
        await judge_one(app, make_verdict(ns=ns))
    assert await times(app) == [("ada", 1), ("bob", 2), ("cy", 3)]


async def test_a_version_that_is_replaced_in_the_middle_measures_each_once_on_the_next(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    await publish.apply(app, version(app, shelf, 5), OURS)
    await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER))
    running = await claim_one(app)
    await publish.apply(app, version(app, shelf, 6), OURS)
    assert [name for _, name, _, _ in await places(app)] == ["ada", "bob", "cy"]

    # What was running passes after all, on a version that nobody asks for any more.
    await dispatch.finish(app, running, make_verdict(ns=5e6))
    judged = [await judge_one(app, make_verdict(ns=ns)) for ns in (1e6, 2e6, 3e6)]

    assert len({held.code for held in judged}) == 3
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
    assert {name for name, _ in await times(app)} == {"ada", "bob", "cy"}


async def test_a_version_that_is_withdrawn_leaves_everything_as_it_was(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    before = await places(app)
    await publish.apply(app, version(app, shelf, 5), OURS)
    await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER))

    await published(app, shelf, contest())

    assert await places(app) == before
    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 0
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []


async def test_totals_keep_the_share_that_people_had_until_they_are_measured_again(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    for rule in (
        CompetitionScoring(places=(1.0, 0.5)),
        CompetitionScoring(share=Share.BEST),
    ):
        await published(app, shelf, contest(board(points=100), scoring=rule))
        before = await competition_standings.totals(app, None, "getting-started")
        anew = version(app, shelf, 5, board(points=100), scoring=rule)
        await publish.apply(app, anew, OURS)
        after = await competition_standings.totals(app, None, "getting-started")

        assert [(item.user_name, item.score) for item in after.items] == [
            (item.user_name, item.score) for item in before.items
        ]


async def test_a_freeze_keeps_the_places_that_people_had_when_it_began(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    spec = board(freeze=frozen())
    await published(app, shelf, contest(spec))
    await ranked(app, field["cy"], 1e6, b"# hidden\nprint()\n")

    await publish.apply(app, version(app, shelf, 5, spec), OURS)

    assert await places(app) == [(1, "ada", 2, True), (2, "bob", 4, True), (3, "cy", 6, True)]


async def test_who_has_improved_in_a_freeze_is_measured_again_with_what_they_had_before_it_too(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    spec = board(freeze=frozen(), points=100)
    across = CompetitionScoring()
    await published(app, shelf, contest(spec, scoring=across))
    await ranked(app, field["cy"], 1e6, b"# hidden\nprint()\n")

    await publish.apply(app, version(app, shelf, 5, spec, scoring=across), OURS)
    for ns in (1e6, 3e6, 5e6):
        await judge_one(app, make_verdict(ns=ns))
    assert await places(app) == [(1, "ada", 3, False), (2, "bob", 5, False), (3, "cy", 6, True)]
    await judge_one(app, make_verdict(ns=7e6))

    assert await places(app) == [(1, "ada", 3, False), (2, "bob", 5, False), (3, "cy", 7, False)]
    page = await competition_standings.totals(app, None, "getting-started")
    assert [item.user_name for item in page.items] == ["ada", "bob", "cy"]
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []


async def test_a_second_version_in_a_freeze_goes_by_what_was_there_before_it_too(
    app: App, shelf: Path, field: dict[str, Actor]
) -> None:
    spec = board(freeze=frozen())
    await published(app, shelf, contest(spec))
    await ranked(app, field["cy"], 1e6, b"# hidden\nprint()\n")
    await publish.apply(app, version(app, shelf, 5, spec), OURS)
    await judge_one(app, make_verdict(ns=1e6))  # what cy hides

    await publish.apply(app, version(app, shelf, 6, spec), OURS)

    expected = [(1, "ada", 2, True), (2, "bob", 4, True), (3, "cy", 6, True)]
    assert await places(app) == expected
    codes = [(await judge_one(app, make_verdict(ns=ns * 1e6))).code for ns in (1, 2, 3, 4)]
    assert len(set(codes)) == 4
    assert [name for _, name, _, earlier in await places(app) if not earlier] == [
        "ada",
        "bob",
        "cy",
    ]


async def test_who_loses_the_code_of_the_last_version_keeps_the_place_of_the_one_before(
    app: App, shelf: Path
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    ada = await make_actor(app)
    await published(app, shelf, contest())
    await ranked(app, ada, 2e6)
    await publish.apply(app, version(app, shelf, 5), OURS)
    other = await ranked(app, ada, 1e6, b"# other\nprint()\n")
    await publish.apply(app, version(app, shelf, 6), OURS)
    assert await places(app) == [(1, "ada", 1, True)]

    await moderation.void(app, admin, other.id, "it copied")

    assert await places(app) == [(1, "ada", 2, True)]


async def test_slower_code_is_not_measured_again_because_the_best_waits_already(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest())
    for nth, ns in enumerate((2e6, 4e6, 6e6)):
        await ranked(app, ada, ns, f"# {nth}\nprint()\n".encode())

    for size in (5, 6, 7):
        await publish.apply(app, version(app, shelf, size), OURS)

    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == 1


@pytest.mark.parametrize(
    ("gpus", "languages", "again", "said"),
    [
        (("CPU", "T4"), ("python",), 2, "those of 2 are measured again"),
        (("CPU",), ("python",), 1, "those of 1 are measured again"),
        (("T4",), ("cuda",), 0, "none is measured again"),
    ],
)
async def test_a_plan_counts_as_measured_again_whom_applying_it_does_measure(
    app: App, shelf: Path, gpus: tuple[str, ...], languages: tuple[str, ...], again: int, said: str
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    await ranked(app, await make_actor(app), 1e6)
    await ranked(app, await make_actor(app, "bob"), 2e6)
    await submitted(app, await make_actor(app, "cy"), gpus=("T4",))
    await judge_one(app, gpu="T4")
    await moderation.ban(app, admin, "bob", now() + HOUR, "x")
    anew = posed_anew(
        catalog_of(app, shelf, contest(board(gpus=gpus))),
        languages=languages,
        cpu_tests=({"size": 5},),
    )

    done = await publish.apply(app, anew, OURS)

    (told,) = [change.detail for change in done.changes if change.kind is Kind.REMEASURED]
    kept = "a new version of vectoradd; results of 3 people stay with the old one"
    assert told == f"{kept}, {said}"
    assert (await standings.leaderboard(app, None, "vectoradd")).measured_again == again


# --- what is not taken any more -------------------------------------------------------------------


async def ranking(app: App, ada: Actor, submission_id: int) -> tuple[str, str]:
    """How a submission stands, and the last line of its first run."""
    view = await submissions.submission(app, ada, submission_id)
    return view.status.value, view.runs[0].ranking


async def left(app: App, ada: Actor) -> int | None:
    (allowance,) = await submit.allowance(app, ada)
    return allowance.ranked_left


async def test_what_waits_in_a_language_that_the_new_version_lacks_ends_with_the_reason_for_nothing(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app, channel="discord")
    limited = contest(ranked_per_hour=1)
    await published(app, shelf, limited)
    sent = await submitted(app, ada)
    assert await left(app, ada) == 0

    native = posed_anew(catalog_of(app, shelf, limited), languages=("cuda",))
    told = (await publish.plan(app, native, OURS)).changes[-1].detail
    await publish.apply(app, native, OURS)

    assert told == (
        "1 waiting run ends: the problem has a new version, which takes cuda and no python."
    )
    assert await ranking(app, ada, sent.id) == (
        "cancelled",
        "Not ranked: the problem has a new version, which takes cuda and no python. "
        "It costs nothing of your allowance.",
    )
    assert await left(app, ada) == 1
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1}) == []
    assert [item.topic for item in await announce.claim(app, ["finished"], 9, 60)] == ["finished"]


@pytest.mark.parametrize("mode", ["ranked", "test"])
async def test_what_waits_for_a_gpu_that_is_offered_no_more_ends_with_the_reason_for_nothing(
    app: App, shelf: Path, mode: str
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest(board(gpus=("CPU", "T4")), ranked_per_hour=1))
    sent = await submitted(app, ada, gpus=("CPU", "T4"), mode=mode)

    await published(app, shelf, contest(ranked_per_hour=1))
    assert await left(app, ada) == 1
    await judge_one(app)

    view = await submissions.submission(app, ada, sent.id)
    assert [(run.gpu, run.status.value) for run in view.runs] == [
        ("CPU", "done"),
        ("T4", "cancelled"),
    ]
    assert "does not offer T4 any more. It costs nothing" in view.runs[1].ranking
    assert await left(app, ada) == 1
    assert await dispatch.claim(app, uuid.uuid4(), {"T4": 1}) == []


async def test_what_ran_in_a_language_that_the_new_version_lacks_costs_nothing(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    limited = contest(ranked_per_hour=1)
    await published(app, shelf, limited)
    sent = await submitted(app, ada)
    running = await claim_one(app)
    native = posed_anew(catalog_of(app, shelf, limited), languages=("cuda",))
    await publish.apply(app, native, OURS)

    assert await dispatch.finish(app, running, make_verdict(ns=2e6))

    status, told = await ranking(app, ada, sent.id)
    assert status == "done"
    assert "does not take its language or GPU. It costs nothing" in told
    assert await left(app, ada) == 1
    assert len((await submissions.mine(app, ada)).items) == 1


async def test_the_one_gpu_that_is_offered_is_meant_and_results_on_others_stay(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    await submitted(app, await make_actor(app), gpus=("T4",))
    held = await claim_one(app, "T4")
    await dispatch.finish(app, held, make_verdict())

    await published(app, shelf, contest())

    assert (await standings.standings(app, None, "vectoradd", None)).gpu == "CPU"
    assert (await standings.standings(app, None, "vectoradd", "T4")).total == 1


async def test_tests_that_wait_are_judged_on_the_version_they_were_sent_for(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest())
    await submitted(app, ada, mode="test")

    native = posed_anew(catalog_of(app, shelf, contest()), languages=("cuda",))
    await publish.apply(app, native, OURS)

    assert (await judge_one(app)).job.problem_digest != native.problems["vectoradd"].digest
