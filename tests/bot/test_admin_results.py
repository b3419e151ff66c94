"""Decisions about results: voided, restored, run again, judged again, released, refused."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import text

from kernelbot.bot.admin import results
from kernelbot.bot.client import Bot
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import Hint, VerdictKind
from kernelbot.services import standings, submissions
from tests import factories
from tests.bot.scene import Scene, labels, words
from tests.services.test_turns import rows

EVIDENCE = "The outside clock says 9 ms @everyone ``` and the submission 1 ms."


async def places(scene: Scene) -> list[str]:
    board = await standings.board(scene.app, None, "vectoradd", "CPU")
    return [item.entry.user_name for item in board.standings]


async def people(scene: Scene, *names: str) -> list[Actor]:
    return [await factories.make_actor(scene.app, name) for name in names]


async def test_the_effect_of_a_void_is_spelled_out_with_numbers_before_anything_is_done(
    scene: Scene,
) -> None:
    await scene.organizer()
    bob, eve, mallory = await people(scene, "bob", "eve", "mallory")
    await factories.ranked(scene.app, mallory, 5e6, b"# slower\nprint()\n")
    sent = await factories.ranked(scene.app, mallory, 1e6)
    await factories.ranked(scene.app, bob, 2e6)
    await factories.ranked(scene.app, eve, 3e6)

    asked = await scene.slash("admin void", submission=sent.id, reason="It *copied*.")

    assert asked.ephemeral
    text = words(asked.response)
    assert f"**#{sent.id}** of mallory stops counting" in text
    assert r"It \*copied\*." in text
    assert "Places that fall: 1. People who move up: 2." in text
    assert "• 1st of 3 on vectoradd (CPU): 3rd with other code" in text
    assert await places(scene) == ["mallory", "bob", "eve"]

    await scene.ada.click(asked.response, label="Confirm")
    assert await places(scene) == ["bob", "eve", "mallory"]
    again = await scene.slash("admin void", submission=sent.id, reason="It copied.")
    assert words(again.response) == f"#{sent.id} does not count already."

    restored = await scene.slash("admin restore", submission=sent.id, reason="It did not.")
    assert (
        words(restored.response) == f"#{sent.id} counts again. Leaderboards with it, GPU by GPU: 1."
    )
    assert await places(scene) == ["mallory", "bob", "eve"]


async def test_slower_code_of_the_same_person_takes_no_place_with_it(scene: Scene) -> None:
    await scene.organizer()
    (bob,) = await people(scene, "bob")
    slower = await factories.ranked(scene.app, bob, 5e6, b"# slower\nprint()\n")
    await factories.ranked(scene.app, bob, 1e6)

    asked = await scene.slash("admin void", submission=slower.id, reason="x")

    assert "No place falls" in words(asked.response)


async def test_what_stands_nowhere_is_refused_before_anything_is_asked(scene: Scene) -> None:
    await scene.organizer()
    for command in ("void", "restore"):
        told = await scene.slash(f"admin {command}", submission=99, reason="x")
        assert "Submission 99 stands on no leaderboard." in words(told.response)


async def test_what_our_machine_failed_runs_once_more_for_its_owner_in_their_thread(
    scene: Scene,
) -> None:
    organizer = await scene.organizer()
    await scene.submit(mode="ranked")
    for _ in range(scene.app.settings.attempts):
        await rows(scene.app, "UPDATE pgqueuer SET execute_after = now()")
        await factories.judge_one(scene.app, factories.make_verdict(VerdictKind.JUDGE_FAILED))
    await scene.bot.cards.finish(1)

    told = await scene.slash("admin rerun", submission=1, reason="Our disk was full.")
    twice = await scene.slash("admin rerun", submission=1, reason="Our disk was full.")

    assert "#1 of ada runs once more as **#2** on CPU, at no cost to them." in words(told.response)
    assert "#1 of ada runs once more already, as **#2**" in words(twice.response)
    await factories.judge_one(scene.app, factories.make_verdict(ns=1e6))
    await scene.bot.cards.finish(2)
    assert "Ranked 1st of 1" in words(scene.in_threads()[-1])
    counts = await scene.slash("admin rerun", submission=2, reason="x")
    assert "Submission 2 passed and counts." in words(counts.response)
    assert (await submissions.submission(scene.app, organizer, 2)).user_name == "ada"


async def test_what_waits_is_put_before_everything_else(scene: Scene) -> None:
    await scene.organizer()
    bob, eve = await people(scene, "bob", "eve")
    await factories.submitted(scene.app, bob)
    sent = await factories.submitted(scene.app, eve)

    told = await scene.slash("admin first", submission=sent.id, reason="A demonstration")

    assert words(told.response) == f"#{sent.id} is next on its GPUs. Runs that were moved: 1."
    assert (await factories.claim_one(scene.app)).submission_id == sent.id


async def test_entries_are_judged_again_and_first_only_planned(scene: Scene) -> None:
    await scene.organizer()
    (bob,) = await people(scene, "bob")
    sent = await factories.ranked(scene.app, bob, 1e6)

    planned = await scene.slash("admin rejudge", leaderboard="vectoradd", dry_run=True)
    queued = await scene.slash("admin rejudge", submission=sent.id)
    neither = await scene.slash("admin rejudge")

    assert "Would be judged again: 1. Nothing was queued." in words(planned.response)
    assert f"**#{sent.id}** of bob on vectoradd (CPU): As #{sent.id + 1}." in words(queued.response)
    assert "Name submissions or a leaderboard" in words(neither.response)


async def test_more_than_a_few_are_judged_again_when_it_is_confirmed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.organizer()
    monkeypatch.setattr(results, "FEW", 1)
    for at, actor in enumerate(await people(scene, "bob", "eve")):
        await factories.ranked(scene.app, actor, 1e6 * (1 + at))

    asked = await scene.slash("admin rejudge", leaderboard="vectoradd", gpu="CPU", top=5)
    question = words(asked.response)
    before = await rows(scene.app, "SELECT id FROM submissions")
    await scene.ada.click(asked.response, label="Confirm")

    assert "**2 ranked entries are measured once more**, on CPU 2, at no cost" in question
    assert len(before) == 2
    assert "Judged again: 2" in words(asked.response)
    assert "**#1** of bob on vectoradd (CPU): As #" in words(asked.response)
    assert len(await rows(scene.app, "SELECT id FROM submissions")) == 4


async def test_a_submission_is_found_by_its_number_or_its_owner(scene: Scene) -> None:
    await scene.organizer()
    bob, eve = await people(scene, "bob", "eve")
    for actor in (*[bob] * 11, eve):
        await factories.submitted(scene.app, actor)

    numbered = await scene.typed("admin void", "submission", "1")
    named = await scene.typed("admin hints", "submission", "EVE")

    assert [int(item) for item in numbered] == [1, 12, 11, 10]
    assert [int(item) for item in named] == [12]


async def set_aside(scene: Scene, name: str, **changes: object) -> int:
    """A run that waits for a decision; its submission."""
    (actor,) = await people(scene, name)
    sent = await factories.submitted(scene.app, actor)
    verdict = factories.make_verdict(VerdictKind.QUARANTINED, ns=1e6)
    values = {"rule": "clock", "evidence": EVIDENCE, **changes}
    await factories.judge_one(scene.app, dataclasses.replace(verdict, **values))  # type: ignore[arg-type]
    return sent.id


async def test_what_was_set_aside_is_shown_with_its_evidence_and_released_with_a_reason(
    scene: Scene,
) -> None:
    await scene.organizer()
    await set_aside(scene, "bob", hints=(Hint(rule="cache", line=7, text="CACHE = {}"),))
    await set_aside(scene, "eve")

    shown = await scene.slash("admin quarantine")
    text = words(shown.response)
    assert shown.ephemeral
    assert "**#1** of bob on vectoradd (CPU), ranked" in text
    assert "The outside clock says 9 ms" in text
    assert "Line 7 (cache): CACHE = {}" in text
    assert "Waiting for a decision: 2" in text
    assert labels(shown.response) == ["Release", "Refuse", "Code", "Next"]

    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(shown.response, label="Next")
    assert "of eve on" in words(shown.response)
    await scene.ada.click(shown.response, label="First")
    form = await scene.ada.click(shown.response, label="Release")
    await scene.ada.submit_modal(form, {"reason": "The clock was off."})

    assert "Run 1 passed; it counts" in words(shown.response)
    assert "of eve on" in words(shown.response), "the next one stands there"
    assert await places(scene) == ["bob"]


async def test_a_release_is_told_as_done_though_the_next_cannot_be_shown(scene: Scene) -> None:
    await scene.organizer()
    await set_aside(scene, "bob")
    shown = await scene.slash("admin quarantine")
    form = await scene.ada.click(shown.response, label="Release")
    scene.env.inject_error("*", "/webhooks/*", status=400, code=50035)

    told = await scene.ada.submit_modal(form, {"reason": "The clock was off."})

    assert told.followups == []
    assert "Run 1 passed; it counts" in words(shown.response)
    assert await places(scene) == ["bob"]


async def test_a_refusal_is_confirmed_and_its_owner_reads_why(scene: Scene) -> None:
    organizer = await scene.organizer()
    await set_aside(scene, "bob")
    shown = await scene.slash("admin quarantine")

    form = await scene.ada.click(shown.response, label="Refuse")
    asked = await scene.ada.submit_modal(form, {"reason": "It cached."})
    question = asked.response
    assert "Run 1 of **#1** (bob, vectoradd on CPU), set aside for clock" in words(question)
    await scene.ada.click(question, label="Confirm")

    assert words(question) == "Run 1 is disqualified."
    (run,) = (await submissions.submission(scene.app, organizer, 1)).runs
    assert (run.kind, run.message) == (VerdictKind.DISQUALIFIED, "It cached.")
    form = await scene.ada.click(shown.response, label="Refuse")
    late = await scene.ada.submit_modal(form, {"reason": "It cached."})
    assert "Run 1 does not wait for a decision." in words(late.response)
    assert "Nothing waits for a decision." in words(
        (await scene.slash("admin quarantine")).response
    )


async def test_the_code_of_what_was_set_aside_comes_as_a_file_and_that_is_written_down(
    scene: Scene,
) -> None:
    await scene.organizer()
    await set_aside(scene, "bob", evidence="x" * 20_000)
    shown = await scene.slash("admin quarantine")

    told = await scene.ada.click(shown.response, label="Code")
    log = await scene.slash("admin audit", target="submission:1")

    (file,) = told.response.attachments
    assert file.filename == "1-kernel.py"
    assert "`submission.read` submission:1" in words(log.response)


async def test_beside_the_hints_of_a_file_is_the_file(scene: Scene) -> None:
    await scene.organizer()
    await factories.submitted(scene.app, *await people(scene, "bob"))
    shown = await scene.slash("admin hints", submission=1)

    told = await scene.ada.click(shown.response, label="Code")

    (file,) = told.response.attachments
    assert file.filename == "1-kernel.py"


async def test_an_administrator_is_offered_what_not_everybody_sees(scene: Scene) -> None:
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE competitions SET visibility = 'private'"))
    await scene.bot.index.refresh()
    await scene.sees_admin()
    assert await scene.typed("admin rejudge", "leaderboard", "vec") == []

    await scene.organizer()

    assert await scene.typed("admin rejudge", "leaderboard", "vec") == ["vectoradd"]
    assert await scene.typed("admin rejudge", "gpu", "cp", leaderboard="vectoradd") == ["CPU"]
