"""Recording: a standing is somebody's best code, its runs pooled; the podium is told once."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App, build
from kernelbot.domain import waiting
from kernelbot.domain.people import ALL_SCOPES, Actor, Role
from kernelbot.errors import NotFound, Unavailable
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import announce, dispatch, moderation, standings, submissions
from kernelbot.services.views import Announcement
from kernelbot.storage import fleet
from tests.factories import (
    CODE,
    claim_one,
    judge_one,
    make_actor,
    make_verdict,
    ranked,
    submitted,
)


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def admin(app: App) -> Actor:
    actor = await make_actor(app, "root")
    return dataclasses.replace(actor, role=Role.ADMIN, scopes=ALL_SCOPES)


async def table(app: App) -> list[tuple[int, str, float, int]]:
    """Rank, name, milliseconds and runs of everybody on the board."""
    page = await standings.standings(app, None, "vectoradd", "CPU", limit=100)
    return [
        (s.rank, s.entry.user_name, round(s.entry.seconds * 1e3, 4), s.entry.runs)
        for s in page.items
    ]


async def told(app: App) -> list[Announcement]:
    return list(await announce.claim(app, ["podium"], 100, 60))


async def line(app: App, actor: Actor, submission_id: int) -> str:
    return (await submissions.submission(app, actor, submission_id)).runs[0].ranking


# --- standings -----------------------------------------------------------------------------------


async def test_a_standing_is_the_best_of_ones_codes(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    await ranked(app, ada, 3e6, b"a = 1\n")
    await ranked(app, bob, 2e6, b"b = 1\n")
    await ranked(app, ada, 1e6, b"a = 2\n")
    await ranked(app, ada, 5e6, b"a = 3\n")

    assert await table(app) == [(1, "ada", 1.0, 1), (2, "bob", 2.0, 1)]


async def test_the_same_code_again_is_pooled_and_not_another_throw(app: App) -> None:
    ada = await make_actor(app)
    first = await ranked(app, ada, 1e6)
    await ranked(app, ada, 4e6)

    ((_, name, milliseconds, runs),) = await table(app)

    assert (name, milliseconds, runs) == ("ada", 2.0, 2)
    page = await standings.standings(app, ada, "vectoradd", "cpu")
    assert page.mine is not None
    assert page.mine.entry.submission_id == first.id


async def test_a_code_that_pools_slower_gives_way_to_ones_next_best(app: App) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6, b"lucky = 1\n")
    await ranked(app, ada, 1.5e6, b"steady = 1\n")

    await ranked(app, ada, 9e6, b"lucky = 1\n")

    assert await table(app) == [(1, "ada", 1.5, 1)]


async def test_the_same_code_of_two_people_is_two_entries(app: App) -> None:
    for name, ns in (("ada", 1e6), ("bob", 2e6)):
        await ranked(app, await make_actor(app, name), ns)

    assert await table(app) == [(1, "ada", 1.0, 1), (2, "bob", 2.0, 1)]


async def test_who_cannot_be_told_apart_shares_a_rank_the_earlier_first(app: App) -> None:
    await ranked(app, await make_actor(app, "ada"), 1.001e6)
    await ranked(app, await make_actor(app, "bob"), 1.000e6)
    await ranked(app, await make_actor(app, "cy"), 2e6)

    assert [(rank, name) for rank, name, _, _ in await table(app)] == [
        (1, "ada"),
        (1, "bob"),
        (3, "cy"),
    ]


@pytest.mark.parametrize("mode", ["test", "benchmark", "profile"])
async def test_only_ranked_runs_count(app: App, mode: str) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode=mode)
    await judge_one(app)

    assert await table(app) == []
    assert mode in await line(app, ada, view.id)


@pytest.mark.parametrize("kind", [kind for kind in VerdictKind if kind is not VerdictKind.PASSED])
async def test_only_passed_runs_count(app: App, kind: VerdictKind) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = dataclasses.replace(await claim_one(app), attempt=app.settings.attempts)

    assert await dispatch.finish(app, held, make_verdict(kind))

    assert await table(app) == []
    assert (await line(app, ada, view.id)).startswith("Not ranked: ")


async def test_another_version_of_the_problem_is_not_pooled_with_the_old_one(app: App) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    await rows(app, "UPDATE runs SET problem_digest = 'older'")

    await ranked(app, ada, 4e6)

    assert await table(app) == [(1, "ada", 4.0, 1)]


async def test_a_ban_during_the_run_lets_it_pass_but_not_count(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    held = await claim_one(app)
    until = datetime.now(UTC) + timedelta(days=1)
    await moderation.ban(app, await admin(app), "ada", until, "cheating")

    assert await dispatch.finish(app, held, make_verdict())

    run = (await submissions.submission(app, ada, view.id)).runs[0]
    assert run.kind is VerdictKind.PASSED
    assert run.ranking == "Not ranked: the account is suspended."
    assert await table(app) == []


async def test_a_run_says_its_place_and_which_submission_is_ones_best(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    best = await ranked(app, ada, 1e6, b"a = 1\n")
    worse = await ranked(app, ada, 3e6, b"a = 2\n")
    other = await ranked(app, bob, 2e6)

    assert await line(app, ada, best.id) == "Ranked 1st of 2 with 1.000 ms ± 0.003."
    assert f"your best is still submission {best.id}: 1st of 2" in await line(app, ada, worse.id)
    assert (await line(app, bob, other.id)).startswith("Ranked 2nd of 2 with 2.0")


async def test_the_last_line_stays_when_the_board_is_retired_or_hidden(app: App) -> None:
    ada = await make_actor(app)
    view = await ranked(app, ada, 1e6)
    await rows(app, "UPDATE leaderboards SET retired = true")
    await rows(app, "UPDATE competitions SET visibility = 'private'")

    assert (await line(app, ada, view.id)).startswith("Ranked 1st of 1")
    with pytest.raises(NotFound):
        await standings.standings(app, ada, "vectoradd", "CPU")


async def test_many_can_look_at_once_with_few_connections(app: App) -> None:
    ada = await make_actor(app)
    view = await ranked(app, ada, 1e6)
    async with build(app.settings.model_copy(update={"pool_size": 2})) as small:
        views = await asyncio.gather(
            *(submissions.submission(small, ada, view.id) for _ in range(12))
        )

    assert {item.runs[0].ranking for item in views} == {"Ranked 1st of 1 with 1.000 ms ± 0.003."}


async def test_concurrent_verdicts_on_one_board_leave_the_board_right(app: App) -> None:
    people = [await make_actor(app, f"p{i}") for i in range(8)]
    for person in people:
        await submitted(app, person)
    held = [await claim_one(app) for _ in people]

    await asyncio.gather(
        *(dispatch.finish(app, item, make_verdict(ns=(i + 1) * 1e6)) for i, item in enumerate(held))
    )

    found = await table(app)
    assert [rank for rank, _, _, _ in found] == list(range(1, 9))
    assert sorted(ms for _, _, ms, _ in found) == [float(i) for i in range(1, 9)]
    ((revision,),) = await rows(app, "SELECT revision FROM leaderboard_gpus WHERE revision > 0")
    assert revision == 8


# --- history and durations -----------------------------------------------------------------------


async def test_history_keeps_each_personal_best_when_it_was_set(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    for ns, code in ((3e6, b"a = 1\n"), (2e6, b"a = 2\n"), (5e6, b"a = 3\n"), (1e6, b"a = 4\n")):
        await ranked(app, ada, ns, code)
    await ranked(app, bob, 9e6)

    mine = await standings.personal(app, ada, "vectoradd", "CPU")
    first = await standings.history(app, None, "vectoradd", "CPU", limit=2)
    second = await standings.history(app, None, "vectoradd", "CPU", cursor=first.cursor, limit=2)
    named = await standings.history(app, None, "vectoradd", "CPU", user_name="bob")

    assert [round(item.seconds * 1e3) for item in mine.items] == [1, 2, 3]
    together = [*first.items, *second.items]
    assert [(item.user_name, round(item.seconds * 1e3)) for item in together] == [
        ("bob", 9),
        ("ada", 1),
        ("ada", 2),
        ("ada", 3),
    ]
    assert second.cursor is None
    assert [item.user_name for item in named.items] == ["bob"]


async def test_a_run_teaches_how_long_its_kind_takes_and_our_faults_do_not(app: App) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    await submitted(app, ada)
    held = dataclasses.replace(await claim_one(app), attempt=app.settings.attempts)
    await dispatch.finish(app, held, make_verdict(VerdictKind.JUDGE_FAILED))

    found = await rows(app, "SELECT gpu, mode, runs, mean_s FROM durations")

    assert [(row.gpu, row.mode, row.runs) for row in found] == [("CPU", "ranked", 1)]
    assert 0 <= found[0].mean_s < 60


# --- podium --------------------------------------------------------------------------------------


async def test_a_change_of_the_podium_is_told_once_with_who_was_displaced(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    await ranked(app, ada, 2e6)
    view = await ranked(app, bob, 1e6)

    first, second = [announce.podium(item) for item in await told(app)]

    assert (first.user_name, first.rank, first.displaced_name) == ("ada", 1, None)
    assert (second.user_name, second.rank, second.displaced_name) == ("bob", 1, "ada")
    assert (second.leaderboard, second.gpu, second.submission_id) == ("vectoradd", "CPU", view.id)
    assert second.seconds == pytest.approx(1e-3)
    assert (first.is_record, first.margin) == (False, None)
    assert (second.is_record, second.margin) == (True, pytest.approx(-0.5))
    assert await told(app) == []


async def test_repeats_and_slower_codes_are_not_told(app: App) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    await ranked(app, ada, 0.9999e6)
    await ranked(app, ada, 3e6, b"slower = 1\n")

    assert len(await told(app)) == 1


async def test_a_fourth_is_not_told(app: App) -> None:
    for i in range(4):
        await ranked(app, await make_actor(app, f"p{i}"), (i + 1) * 1e6)

    assert [item.payload["user_name"] for item in await told(app)] == ["p0", "p1", "p2"]


async def test_a_late_tie_in_a_crowd_of_ties_is_no_place_on_the_podium(app: App) -> None:
    """As fast as the memory allows: the first page by time is not the first page by place."""
    people = [await make_actor(app, f"p{i}") for i in range(70)]
    for i, person in enumerate(people):
        await rows(
            app,
            "WITH code AS (INSERT INTO code_blobs VALUES (:digest, '') RETURNING digest), "
            "s AS (INSERT INTO submissions (leaderboard_id, problem_id, user_id, mode, file_name,"
            " language, code_digest, channel, status) SELECT l.id, l.problem_id, :user, 'ranked',"
            " 'a.py', 'python', digest, 'api', 'done' FROM leaderboards l, code"
            " WHERE l.name = 'vectoradd' RETURNING *), "
            "r AS (INSERT INTO runs (submission_id, leaderboard_id, user_id, code_digest, gpu,"
            " mode, priority, status, verdict, problem_digest) SELECT id, leaderboard_id, user_id,"
            " code_digest, 'CPU', mode, 30, 'done', 'passed', 'x' FROM s RETURNING *) "
            "INSERT INTO standings SELECT leaderboard_id, gpu, user_id, code_digest, id,"
            " submission_id, 1e-3 + CAST(:i AS int) * 1e-9, 0.01, 1, now() - make_interval(mins => 200 + CAST(:i AS int))"
            " FROM r",
            digest=f"{i}".encode().rjust(32),
            user=person.user_id,
            i=i,
        )

    await ranked(app, await make_actor(app, "late"), 0.999e6)

    assert await told(app) == []
    page = await standings.standings(app, None, "vectoradd", "CPU", limit=1)
    assert (page.total, page.items[0].entry.user_name) == (71, "p69")


async def test_a_finished_submission_from_discord_is_told_once_when_its_last_run_ends(
    app: App,
) -> None:
    ada = await make_actor(app, channel="discord")
    view = await submitted(app, ada, gpus=("CPU", "T4"), mode="test")

    await judge_one(app, gpu="T4")
    assert await announce.claim(app, ["finished"], 10, 60) == ()
    await judge_one(app, make_verdict(VerdictKind.CRASHED))

    (found,) = await announce.claim(app, ["finished"], 10, 60)
    assert found.payload == {"submission_id": view.id}


# --- void and restore ----------------------------------------------------------------------------


async def test_a_voided_code_makes_way_for_ones_next_best_and_comes_back(app: App) -> None:
    root, ada, bob = await admin(app), await make_actor(app, "ada"), await make_actor(app, "bob")
    cheat = await ranked(app, ada, 1e6, b"cheat = 1\n")
    honest = await ranked(app, ada, 3e6, b"honest = 1\n")
    await ranked(app, bob, 2e6)

    assert await moderation.void(app, root, cheat.id, "reads the clock") == 1
    assert await table(app) == [(1, "bob", 2.0, 1), (2, "ada", 3.0, 1)]
    assert await line(app, ada, cheat.id) == (
        "Not ranked: an organizer has taken this code off the leaderboard."
    )
    assert (await line(app, ada, honest.id)).startswith("Ranked 2nd of 2")

    assert await moderation.restore(app, root, cheat.id, "was a mistake") == 1
    assert (await table(app))[0] == (1, "ada", 1.0, 1)


async def test_a_voided_code_is_in_no_history_until_it_counts_again(app: App) -> None:
    root, ada = await admin(app), await make_actor(app, "ada")
    honest = await ranked(app, ada, 3e6, b"honest = 1\n")
    cheat = await ranked(app, ada, 1e6, b"cheat = 1\n")

    async def history() -> list[list[int]]:
        pages = (
            await standings.history(app, None, "vectoradd", "CPU"),
            await standings.history(app, None, "vectoradd", "CPU", user_name="ada"),
            await standings.personal(app, ada, "vectoradd", "CPU"),
        )
        return [[item.submission_id for item in page.items] for page in pages]

    await moderation.void(app, root, cheat.id, "reads the clock")
    assert await history() == [[honest.id]] * 3

    await moderation.restore(app, root, cheat.id, "was a mistake")
    assert await history() == [[cheat.id, honest.id]] * 3


async def test_a_ban_takes_everything_of_the_person_off_the_boards_if_asked_to(app: App) -> None:
    root, ada, bob = await admin(app), await make_actor(app, "ada"), await make_actor(app, "bob")
    first = await ranked(app, ada, 1e6, b"cheat = 1\n")
    await ranked(app, ada, 2e6, b"cheat = 2\n")
    elsewhere = await submitted(app, ada, leaderboard="matmul")
    await judge_one(app)
    await ranked(app, bob, 3e6)
    until = datetime.now(UTC) + timedelta(days=1)

    await moderation.ban(app, root, "ada", until, "a warning")
    assert [row[1] for row in await table(app)] == ["ada", "bob"]
    await moderation.ban(app, root, "ada", until, "all of it copied", void=True)

    assert await table(app) == [(1, "bob", 3.0, 1)]
    assert "organizer has taken" in await line(app, ada, elsewhere.id)
    await moderation.unban(app, root, "ada")
    assert await table(app) == [(1, "bob", 3.0, 1)]
    await moderation.restore(app, root, first.id, "this one was her own")
    assert (await table(app))[0] == (1, "ada", 1.0, 1)


async def test_the_only_code_voided_leaves_the_board_and_sending_it_again_does_not_help(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await ranked(app, ada, 1e6)
    await moderation.void(app, await admin(app), view.id, "cheat")

    again = await ranked(app, ada, 1e6)

    assert await table(app) == []
    for submission_id in (view.id, again.id):
        assert "organizer has taken" in await line(app, ada, submission_id)


async def test_voiding_while_verdicts_are_recorded_never_deadlocks(app: App) -> None:
    root, ada = await admin(app), await make_actor(app, "ada")
    views = [await ranked(app, ada, 1e6, CODE)]
    for _ in range(12):
        views.append(await submitted(app, ada))
    held = [await claim_one(app) for _ in range(12)]

    await asyncio.gather(
        *(dispatch.finish(app, item, make_verdict()) for item in held),
        *(moderation.void(app, root, views[0].id, "maybe") for _ in range(6)),
    )

    await moderation.restore(app, root, views[0].id, "fine")
    assert await table(app) == [(1, "ada", 1.0, 13)]


async def test_how_long_runs_take_is_remembered_as_the_domain_says_of_all_that_end_at_once(
    app: App,
) -> None:
    took = (40.0, 10.0, 25.0, 90.0)
    known = waiting.Duration()
    for seconds in took:
        known = waiting.updated(known, seconds)
        async with app.database.read() as connection:
            await fleet.remember_duration(connection, 1, "CPU", "test", seconds)
    async with app.database.read() as connection:
        (found,) = (await fleet.durations_on(connection, "CPU")).values()
    assert (found.mean_s, found.deviation_s) == pytest.approx((known.mean_s, known.deviation_s))

    async def one() -> None:
        async with app.database.read() as connection:
            await fleet.remember_duration(connection, 1, "CPU", "test", 5.0)

    await asyncio.gather(*(one() for _ in range(5)))
    async with app.database.read() as connection:
        (found,) = (await fleet.durations_on(connection, "CPU")).values()
    assert found.count == len(took) + 5


async def test_a_verdict_stays_recorded_though_how_long_it_took_cannot_be(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(fleet, "remember_duration", away)
    await submitted(app, await make_actor(app))
    held = await claim_one(app)
    assert await dispatch.finish(app, held, make_verdict())
