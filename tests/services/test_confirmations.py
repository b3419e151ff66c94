"""Places on podiums that a machine nobody vouches for has measured: announced once a trusted one agrees."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Rejudged
from kernelbot.errors import Forbidden
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import (
    dispatch,
    moderation,
    publish,
    quarantine,
    rejudge,
    reveal,
    runners,
    standings,
    submit,
    turns,
)
from kernelbot.services.publish import Source
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted
from tests.patience import until
from tests.services.contest import (
    HOUR,
    board,
    catalog_of,
    contest,
    frozen,
    posed_anew,
    published,
)
from tests.services.machines import Machine, administrator, machine


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def podiums(app: App) -> list[dict[str, Any]]:
    found = await rows(app, "SELECT payload FROM outbox WHERE topic = 'podium' ORDER BY id")
    return [row.payload for row in found]


async def unconfirmed(app: App) -> list[bool]:
    """Of the rows of the board, the best first."""
    board = await standings.board(app, await make_actor(app), "vectoradd", "CPU")
    return [item.entry.unconfirmed for item in board.standings]


async def measured_by(app: App, box: Machine, ada: Actor, ns: float = 1e6) -> int:
    """A ranked submission that this machine has judged."""
    view = await submitted(app, ada)
    held = await box.one()
    await box.beat(held)
    timed = make_verdict(ns=ns)
    await box.finish(held, box.verdict(held, cases=timed.cases))
    return view.id


async def agreed(app: App, ns: float = 1e6) -> None:
    """What a worker of ours says of the next run."""
    await judge_one(app, make_verdict(ns=ns))


async def test_a_podium_place_of_a_machine_nobody_vouches_for_waits_for_a_trusted_one(
    app: App,
) -> None:
    ada = await make_actor(app)
    box = await machine(app)
    sent = await measured_by(app, box, ada)

    assert await podiums(app) == []
    assert await unconfirmed(app) == [True]
    # Not by the same, nor by another like it; it is not to keep devices free for it either.
    found = await box.lease({"CPU": 1})
    assert (found.runs, found.waiting) == ((), {})

    await agreed(app, 1.001e6)

    (told,) = await podiums(app)
    assert (told["rank"], told["user_name"], told["submission_id"]) == (1, "ada", sent)
    assert told["seconds"] == pytest.approx(1.0005e-3, rel=1e-4)
    assert await unconfirmed(app) == [False]


async def test_who_is_vouched_for_needs_nobody_else(app: App) -> None:
    box, admin = await machine(app), await administrator(app)
    await runners.trust(app, admin, "donor", trusted=True)
    await measured_by(app, box, await make_actor(app))

    assert len(await podiums(app)) == 1
    assert await unconfirmed(app) == [False]
    with pytest.raises(Forbidden):
        await runners.trust(app, await make_actor(app), "donor", trusted=True)


async def test_a_disagreement_is_set_aside_for_an_organizer_who_may_let_the_place_stand(
    app: App,
) -> None:
    box, admin = await machine(app), await administrator(app)
    await measured_by(app, box, await make_actor(app), 1e6)
    await agreed(app, 1.05e6)

    assert await podiums(app) == []
    assert await unconfirmed(app) == [True]
    (found,) = (await rejudge.results(app, admin)).items
    assert found.state is Rejudged.DIFFERS

    await quarantine.refuse(app, admin, found.run_id, "Our worker was busy.")

    assert len(await podiums(app)) == 1
    assert await unconfirmed(app) == [False]


async def test_the_place_counts_on_the_board_meanwhile_and_a_failure_of_ours_confirms_nothing(
    app: App,
) -> None:
    one_try = dataclasses.replace(app, settings=app.settings.model_copy(update={"attempts": 1}))
    box = await machine(one_try)
    await measured_by(one_try, box, await make_actor(app))
    board = await standings.board(app, await make_actor(app), "vectoradd", "CPU")
    assert [item.rank for item in board.standings] == [1]
    held = await claim_one(one_try)
    await rows(app, "UPDATE runs SET attempt = 50 WHERE status = 'running'")
    failed = make_verdict(VerdictKind.JUDGE_FAILED)
    assert await dispatch.finish(one_try, dataclasses.replace(held, attempt=50), failed)

    assert await podiums(app) == []
    assert await unconfirmed(app) == [True]


async def test_any_run_of_the_code_on_a_trusted_machine_confirms_a_place_when_ours_failed(
    app: App,
) -> None:
    one_try = dataclasses.replace(app, settings=app.settings.model_copy(update={"attempts": 1}))
    box, admin = await machine(one_try), await administrator(app)
    sent = await measured_by(one_try, box, await make_actor(app))
    await judge_one(one_try, make_verdict(VerdictKind.JUDGE_FAILED))
    assert await rows(app, "SELECT state FROM confirmations") == [("failed",)]

    await rejudge.ask(app, admin, submission_ids=[sent])
    await agreed(app, 1.001e6)

    assert await unconfirmed(app) == [False]
    assert len(await podiums(app)) == 1


async def test_the_owners_own_next_run_on_a_trusted_machine_confirms_a_place_once(app: App) -> None:
    ada = await make_actor(app)
    await measured_by(app, await machine(app), ada)
    await rows(app, "UPDATE pgqueuer SET execute_after = now() + interval '1 hour'")
    await ranked(app, ada, 1.001e6)
    assert (await unconfirmed(app), len(await podiums(app))) == ([False], 1)

    await rows(app, "UPDATE pgqueuer SET execute_after = now()")
    await agreed(app, 1.5e6)  # what was to confirm it comes late, and is an organizer's matter

    assert (await unconfirmed(app), len(await podiums(app))) == ([False], 1)


async def test_a_place_that_is_measured_again_is_confirmed_like_any_other_and_announced_by_neither(
    app: App, shelf: Path
) -> None:
    ada = await make_actor(app)
    await published(app, shelf, contest(board()))
    await ranked(app, ada, 1e6)
    before = await podiums(app)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest(board()))), Source())
    box = await machine(app)
    held = await box.one()
    await box.finish(held, box.verdict(held, cases=make_verdict(ns=2e6).cases))

    assert await unconfirmed(app) == [True]
    await agreed(app, 2.001e6)

    assert await unconfirmed(app) == [False]
    assert await podiums(app) == before


async def test_what_is_measured_again_and_the_end_of_a_freeze_left_out_is_told_once_it_is_confirmed(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(board(freeze=frozen())))
    await ranked(app, await make_actor(app), 1e6)
    anew = posed_anew(catalog_of(app, shelf, contest(board(freeze=frozen()))))
    await publish.apply(app, anew, Source())
    box = await machine(app)
    held = await box.one()
    await box.finish(held, box.verdict(held, cases=make_verdict(ns=2e6).cases))
    over = posed_anew(
        catalog_of(app, shelf, contest(board(freeze=frozen(ends=timedelta(seconds=1)))))
    )
    await publish.apply(app, over, Source())
    await until(lambda: reveal.due(app))
    assert await rows(app, "SELECT payload FROM outbox WHERE topic = 'reveal'") == []

    await agreed(app, 2.001e6)

    (told,) = await podiums(app)
    assert (told["user_name"], told["rank"], "again" in told) == ("ada", 1, False)


@pytest.mark.parametrize("running", [False, True])
async def test_nobody_waits_for_a_confirmation_that_an_organizer_cancels(
    app: App, running: bool
) -> None:
    admin = await administrator(app)
    await measured_by(app, await machine(app), await make_actor(app))
    (asked,) = (await rejudge.results(app, admin)).items
    assert asked.rejudge_id is not None
    held = await claim_one(app) if running else None
    await submit.cancel(app, admin, asked.rejudge_id)
    if held is not None:
        assert await dispatch.cancelled(app, held)

    assert await rows(app, "SELECT state FROM confirmations") == [("gone",)]
    assert (await unconfirmed(app), await podiums(app)) == ([False], [])


async def test_nobody_waits_for_a_confirmation_on_a_board_that_is_hidden(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(board()))
    await measured_by(app, await machine(app), await make_actor(app))

    await published(app, shelf, contest(board("matmul")))

    assert await rows(app, "SELECT state FROM confirmations") == [("gone",)]


async def test_confirmations_hide_nothing_else_from_a_machine_nobody_vouches_for(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SPARE", 1)
    admin, box = await administrator(app), await machine(app)
    other = await ranked(app, await make_actor(app, "other"), 9e9)
    for nth in range(3):
        await measured_by(app, box, await make_actor(app, f"p{nth}"), 1e6 * (1 - nth / 10))
    await rejudge.ask(app, admin, submission_ids=[other.id])
    await rows(app, "UPDATE runs SET created_at = created_at - interval '20 minutes'")

    assert len((await box.lease({"CPU": 1})).runs) == 1


async def test_what_a_trusted_machine_has_said_already_needs_no_second_word(app: App) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    box = await machine(app)

    await measured_by(app, box, ada, 1.0005e6)

    assert await rows(app, "SELECT run_id FROM confirmations") == []


async def test_a_place_below_the_podium_is_nobodys_concern(app: App) -> None:
    for nth in range(3):
        await ranked(app, await make_actor(app, f"p{nth}"), (1 + nth / 10) * 1e6)
    await measured_by(app, await machine(app), await make_actor(app), 5e6)
    assert await rows(app, "SELECT run_id FROM confirmations") == []


async def test_a_place_that_anothers_fall_puts_on_the_podium_is_confirmed_and_announced_by_neither(
    app: App,
) -> None:
    sent = [
        await ranked(app, await make_actor(app, f"p{nth}"), (1 + nth / 10) * 1e6)
        for nth in range(3)
    ]
    await measured_by(app, await machine(app), await make_actor(app, "fourth"), 5e6)
    told = await podiums(app)
    assert await unconfirmed(app) == [False] * 4

    for submission in sent[:2]:  # the second finds it asked for
        await moderation.void(app, await administrator(app), submission.id, "it copied")

    assert await unconfirmed(app) == [False, True]
    assert len(await rows(app, "SELECT run_id FROM confirmations")) == 1
    await agreed(app, 5.001e6)
    assert await unconfirmed(app) == [False, False]
    assert await podiums(app) == told


async def test_the_end_of_a_freeze_leaves_a_place_out_that_is_told_once_it_is_confirmed(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(board(freeze=frozen())))
    await ranked(app, await make_actor(app, "bob"), 2e6)
    await measured_by(app, await machine(app), await make_actor(app, "ada"), 1e6)
    await published(app, shelf, contest(board(freeze=frozen(begins=-2 * HOUR, ends=-HOUR))))

    await reveal.due(app)

    ((told,),) = await rows(app, "SELECT payload FROM outbox WHERE topic = 'reveal'")
    assert [place["user_name"] for place in told["podiums"][0]["places"]] == ["bob"]
    await agreed(app)
    assert [item["user_name"] for item in await podiums(app)] == ["ada"]
