"""Times that rest on a GPU's own word are marked on a board, or not ranked where an operator says so."""

from __future__ import annotations

import dataclasses
from typing import Any

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import Device, Verdict, VerdictKind
from kernelbot.services import identity, quarantine, standings, submissions
from tests.conftest import ADMIN_TOKEN
from tests.factories import judge_one, make_actor, make_verdict, submitted


def on_gpu(evidence: str, ns: float = 1e6) -> Verdict:
    found = make_verdict(ns=ns)
    return dataclasses.replace(
        found,
        device=Device(kind="cuda", name="NVIDIA H200"),
        harness=dataclasses.replace(found.harness, evidence=evidence),
    )


def demanding(app: App) -> Any:
    settings = app.settings.model_copy(update={"evidence": "outside-clock"})
    return dataclasses.replace(app, settings=settings)


async def run_of(app: App, actor: Actor, found: Verdict, **changes: Any) -> int:
    view = await submitted(app, actor, **changes)
    await judge_one(app, found)
    return view.id


async def marks(app: App) -> list[tuple[str, bool]]:
    page = await standings.standings(app, None, "vectoradd", "CPU")
    return [(item.entry.user_name, item.entry.device_timed) for item in page.items]


async def test_a_ranked_run_with_less_than_is_demanded_waits_for_an_organizer_who_may_let_it_count(
    app: App,
) -> None:
    strict = demanding(app)
    ada, root = await make_actor(app, "ada"), await identity.authenticate(app, ADMIN_TOKEN, "api")
    submission_id = await run_of(strict, ada, on_gpu("device-events-bounded"))

    (run,) = (await submissions.submission(app, ada, submission_id)).runs
    (held,) = (await quarantine.waiting(app, root)).items
    assert run.kind is VerdictKind.QUARANTINED
    assert (
        run.ranking
        == "Not ranked: its times rest on too little; an organizer will look and decide."
    )
    assert (held.run_id, held.rule) == (run.id, "evidence")
    assert "device-events-bounded" in held.evidence
    assert await marks(app) == []

    await quarantine.release(strict, root, run.id, "our own machine")

    assert await marks(app) == [("ada", True)]


async def test_what_is_demanded_holds_for_ranked_runs_and_for_gpus_only(app: App) -> None:
    strict = demanding(app)
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    tried = await run_of(strict, ada, on_gpu("device-events-bounded"), mode="benchmark")
    await run_of(strict, ada, on_gpu("outside-clock"))
    await run_of(strict, bob, make_verdict(ns=9e6))

    (run,) = (await submissions.submission(app, ada, tried)).runs
    assert run.kind is VerdictKind.PASSED
    assert await marks(app) == [("ada", False), ("bob", False)]


async def test_an_entry_is_marked_on_its_board_once_a_run_of_it_was_timed_by_the_device_alone(
    app: App,
) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    await run_of(app, ada, on_gpu("outside-clock"))
    await run_of(app, bob, on_gpu("device-events-bounded", 9e6))
    assert await marks(app) == [("ada", False), ("bob", True)]
    assert await marks(app) == [("ada", False), ("bob", True)]  # from memory

    await run_of(app, ada, on_gpu("device-events-bounded"))

    assert await marks(app) == [("ada", True), ("bob", True)]
    story = await standings.story(app, None, "vectoradd", "CPU")
    assert [item.entry.device_timed for item in story.first] == [True, True]


async def test_a_reader_s_own_place_is_marked_wherever_it_is(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    await run_of(app, ada, make_verdict())
    await run_of(app, bob, on_gpu("device-events-bounded", 9e6))

    page = await standings.standings(app, bob, "vectoradd", "CPU", limit=1)

    assert page.mine is not None
    assert [item.entry.device_timed for item in (*page.items, page.mine)] == [False, True]


async def test_a_page_that_has_not_changed_is_made_of_the_same_places(app: App) -> None:
    await run_of(app, await make_actor(app, "ada"), on_gpu("device-events-bounded"))

    pages = [await standings.standings(app, None, "vectoradd", "CPU") for _ in range(2)]

    assert pages[0].items[0] is pages[1].items[0]


async def test_what_a_problem_s_own_program_says_is_told_of_the_whole_board(app: App) -> None:
    await run_of(app, await make_actor(app, "ada"), on_gpu("self-evaluated"))

    assert await marks(app) == [("ada", False)]
