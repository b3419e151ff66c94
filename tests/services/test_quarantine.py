"""Times that contradict each other are never ranked until a person has said so."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.errors import Conflict, Forbidden, InvalidInput, NotFound
from kernelbot.judge.protocol import Hint, Mode, Verdict, VerdictKind
from kernelbot.services import identity, moderation, publish, quarantine, standings, submissions
from kernelbot.services.publish import Source
from tests.conftest import ADMIN_TOKEN
from tests.factories import judge_one, make_actor, make_verdict, ranked, submitted
from tests.services.contest import catalog_of, contest, posed_anew, published

HINT = Hint(rule="patches a clock", line=3, text="torch.cuda.Event = Mine")


async def admin(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


def doubtful(ns: float = 1e6) -> Verdict:
    return dataclasses.replace(
        make_verdict(VerdictKind.QUARANTINED, ns=ns),
        rule="clocks disagree",
        evidence="events say 2 us, the outside clock 90 us",
        hints=(HINT,),
    )


async def set_aside(app: App, person: Actor, ns: float = 1e6) -> tuple[int, int]:
    """Ids of a submission and its quarantined run."""
    view = await submitted(app, person)
    held = await judge_one(app, doubtful(ns))
    return view.id, held.run_id


async def people_on_board(app: App) -> list[str]:
    page = await standings.standings(app, None, "vectoradd", "CPU")
    return [item.entry.user_name for item in page.items]


async def test_a_quarantined_run_is_not_ranked_and_says_why(app: App) -> None:
    ada = await make_actor(app, "ada")
    submission_id, _ = await set_aside(app, ada)

    (run,) = (await submissions.submission(app, ada, submission_id)).runs
    assert run.kind is VerdictKind.QUARANTINED
    assert run.ranking == (
        "Not ranked: its times contradict each other; an organizer will look and decide."
    )
    assert run.seconds is None
    assert await people_on_board(app) == []


async def test_organizers_see_what_waits_with_its_evidence_and_hints(app: App) -> None:
    root = await admin(app)
    ids = [await set_aside(app, await make_actor(app, name)) for name in ("ada", "bob", "cy")]

    page = await quarantine.waiting(app, root, limit=2)
    rest = await quarantine.waiting(app, root, cursor=page.cursor)

    found = [*page.items, *rest.items]
    assert [(item.submission_id, item.run_id) for item in found] == ids
    assert found[0].user_name == "ada"
    assert found[0].evidence == "events say 2 us, the outside clock 90 us"
    assert found[0].hints == (HINT,)
    assert found[0].cases[-1].measurement is not None
    assert rest.cursor is None


async def test_a_released_run_is_ranked_where_its_time_puts_it(app: App) -> None:
    root = await admin(app)
    await ranked(app, await make_actor(app, "slow"), 9e6)
    ada = await make_actor(app, "ada")
    submission_id, run_id = await set_aside(app, ada, 1e6)

    await quarantine.release(app, root, run_id, "a noisy machine")

    assert await people_on_board(app) == ["ada", "slow"]
    (run,) = (await submissions.submission(app, ada, submission_id)).runs
    assert run.kind is VerdictKind.PASSED
    assert run.ranking.startswith("Ranked 1st of 2")
    assert run.verdict is not None
    assert (run.message, run.verdict.rule, run.verdict.evidence) == ("", "", "")
    assert (await quarantine.waiting(app, root)).items == ()
    (entry,) = (await moderation.audit(app, root, target=f"run:{run_id}")).items
    assert (entry["action"], entry["detail"]["reason"]) == ("run.release", "a noisy machine")


async def test_a_refused_run_ends_disqualified_with_the_reason(app: App) -> None:
    root = await admin(app)
    ada = await make_actor(app, "ada")
    submission_id, run_id = await set_aside(app, ada)

    await quarantine.refuse(app, root, run_id, "it replaced the timer")

    (run,) = (await submissions.submission(app, ada, submission_id)).runs
    assert (run.kind, run.message) == (VerdictKind.DISQUALIFIED, "it replaced the timer")
    assert await people_on_board(app) == []


async def test_a_decision_is_made_once(app: App) -> None:
    root = await admin(app)
    _, run_id = await set_aside(app, await make_actor(app))
    await quarantine.refuse(app, root, run_id, "no")

    for decide in (quarantine.release, quarantine.refuse):
        with pytest.raises(NotFound, match="does not wait for a decision"):
            await decide(app, root, run_id, "again")


@pytest.mark.parametrize("run_id", [0, -1, 10**30, 99])
async def test_a_run_that_does_not_wait_is_said_so(app: App, run_id: int) -> None:
    with pytest.raises(NotFound, match="does not wait"):
        await quarantine.release(app, await admin(app), run_id, "why not")


async def test_members_decide_nothing_and_see_nothing(app: App) -> None:
    ada = await make_actor(app, "ada")
    _, run_id = await set_aside(app, ada)

    with pytest.raises(Forbidden):
        await quarantine.waiting(app, ada)
    with pytest.raises(Forbidden):
        await quarantine.release(app, ada, run_id, "please")
    with pytest.raises(Forbidden):
        await quarantine.refuse(app, ada, run_id, "please")


async def test_a_run_that_would_not_count_is_not_released_and_goes_on_waiting(app: App) -> None:
    root = await admin(app)
    _, run_id = await set_aside(app, await make_actor(app, "ada"))
    await moderation.ban(
        app, root, "ada", datetime.now(UTC) + timedelta(days=1), "several accounts"
    )

    with pytest.raises(Conflict, match="would not count: the account is suspended"):
        await quarantine.release(app, root, run_id, "a noisy machine")

    assert [item.run_id for item in (await quarantine.waiting(app, root)).items] == [run_id]


async def test_only_ranked_runs_wait_for_a_decision(app: App) -> None:
    await submitted(app, await make_actor(app), mode=Mode.BENCHMARK)
    held = await judge_one(app, doubtful())

    assert (await quarantine.waiting(app, await admin(app))).items == ()
    with pytest.raises(NotFound, match="does not wait"):
        await quarantine.release(app, await admin(app), held.run_id, "why not")


async def test_hints_are_for_organizers_whatever_became_of_the_run(app: App) -> None:
    ada = await make_actor(app, "ada")
    view = await submitted(app, ada)
    await judge_one(app, dataclasses.replace(make_verdict(), hints=(HINT,)))

    (run,) = await moderation.hints(app, await admin(app), view.id)
    assert (run.gpu, run.hints) == ("CPU", (HINT,))
    with pytest.raises(Forbidden):
        await moderation.hints(app, ada, view.id)
    with pytest.raises(NotFound, match="no submission 99"):
        await moderation.hints(app, await admin(app), 99)


async def test_a_decision_needs_a_reason(app: App) -> None:
    _, run_id = await set_aside(app, await make_actor(app))
    with pytest.raises(InvalidInput, match="reason"):
        await quarantine.release(app, await admin(app), run_id, " ")


async def test_a_run_of_an_old_version_is_released_and_measured_again_on_the_new_one(
    app: App, shelf: Path
) -> None:
    root, ada = await admin(app), await make_actor(app, "ada")
    await published(app, shelf, contest())
    submission_id, run_id = await set_aside(app, ada)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), Source())

    await quarantine.release(app, root, run_id, "a noisy machine")

    (run,) = (await submissions.submission(app, ada, submission_id)).runs
    assert run.kind is VerdictKind.PASSED
    assert run.ranking.startswith("Not ranked: the problem has a new version since this was sent")
    assert await people_on_board(app) == []
    await judge_one(app, make_verdict(ns=3e6))
    assert await people_on_board(app) == ["ada"]
    assert (await quarantine.waiting(app, root)).items == ()


async def test_who_sent_the_first_by_discord_is_told_there_of_a_decision_about_its_repeat(
    app: App, shelf: Path
) -> None:
    root, ada = await admin(app), await make_actor(app, "ada", "discord")
    await published(app, shelf, contest())
    await ranked(app, ada, 1e6)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), Source())
    held = await judge_one(app, doubtful())

    await quarantine.release(app, root, held.run_id, "A noisy machine.")

    async with app.database.read() as connection:
        told = await connection.execute(
            text("SELECT payload->'run_id' FROM outbox WHERE topic = 'decided'")
        )
        assert list(told.scalars()) == [held.run_id]
