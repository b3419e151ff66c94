"""One's own submissions: listed in pages, shown whole, compared with each other."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from kernelbot.bot import attachments
from kernelbot.bot.client import Bot
from kernelbot.judge.protocol import Artefact
from kernelbot.services import artefacts, dispatch
from tests import factories
from tests.bot.scene import FILE, Scene, labels, words
from tests.services.test_light import at_share, timed

OTHER = ("other.py", factories.CODE + b"# other\n")


async def test_older_submissions_are_a_button_away_after_a_restart_too(scene: Scene) -> None:
    for _ in range(12):
        await factories.submitted(scene.app, await scene.own())

    shown = await scene.slash("submissions")
    assert labels(shown.response) == ["Older"]
    assert "#12" in words(shown.response)
    assert "#2**" not in words(shown.response)

    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(shown.response, label="Older")
    assert "#2**" in words(shown.response)
    assert labels(shown.response) == ["Newest"]

    await scene.ada.click(shown.response, label="Newest")
    assert "#12" in words(shown.response)


async def test_submissions_to_one_leaderboard_stay_so_from_page_to_page(scene: Scene) -> None:
    for _ in range(11):
        await factories.submitted(scene.app, await scene.own())
    await factories.submitted(scene.app, await scene.own(), leaderboard="matmul")

    shown = await scene.slash("submissions", leaderboard="VectorAdd")
    await scene.ada.click(shown.response, label="Older")

    assert "#1**" in words(shown.response)
    assert "matmul" not in words(shown.response)


async def test_two_submissions_are_compared_by_result_and_code(scene: Scene) -> None:
    await scene.judged("ranked", 40_000)
    await scene.judged("ranked", 20_000, file=OTHER)

    shown = await scene.slash("submission", id=2, compare=1)

    assert "From #1 to #2" in words(shown.response)
    assert "**#1** CPU: Passed: 40.0 µs" in words(shown.response)
    assert "**#2** CPU: Passed: 20.0" in words(shown.response)
    assert "+# other" in words(shown.response)


async def test_the_same_code_is_called_the_same_code(scene: Scene) -> None:
    await scene.submit()
    await scene.submit(mode="benchmark")

    shown = await scene.slash("submission", id=2, compare=1)

    assert "#2 is the same code as #1." in shown.response.content


async def test_somebody_elses_code_cannot_be_compared_with(scene: Scene) -> None:
    await factories.submitted(scene.app, await factories.make_actor(scene.app, "bob"))
    await scene.submit()

    shown = await scene.slash("submission", id=2, compare=1)

    assert "You have no submission 1" in shown.response.content


async def test_own_numbers_are_offered_with_what_came_of_them_and_nobody_elses(
    scene: Scene,
) -> None:
    await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 10_000)
    await scene.judged("ranked", 40_000)

    found = await scene.ada.autocomplete(scene.channel, "submission", "id", "")

    assert [choice["value"] for choice in found] == [2]
    assert "#2 · vectoradd · ranked · Passed: 40.0 µs" in found[0]["name"]
    assert await scene.typed("submission", "compare", "kernel.py") == [2]
    assert await scene.typed("submission", "compare", "#7") == []


@pytest.mark.parametrize(("most", "sent"), [(100, ["CPU-report.txt"]), (2, [])])
async def test_files_of_a_profile_go_with_the_result_as_far_as_they_fit(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, most: int, sent: list[str]
) -> None:
    monkeypatch.setattr(attachments, "MOST_BYTES", most)
    await scene.submit(mode="profile", file=FILE)
    held = await factories.claim_one(scene.app)
    listed = (Artefact(name="report.txt", bytes=3, media_type="text/plain"),)
    verdict = dataclasses.replace(factories.make_verdict(), artefacts=listed)

    async def read(name: str) -> AsyncIterator[bytes]:
        yield b"abc"

    await artefacts.collect(scene.app, held, verdict, read)
    assert await dispatch.finish(scene.app, held, verdict)
    await scene.bot.cards.refresh(1)

    result = scene.in_threads()[-1]
    assert [item.filename for item in result.attachments] == sent
    assert ("kernelbot artefacts 1" in words(result)) is not bool(sent)


async def test_a_ranked_result_on_a_gpu_tells_how_close_to_the_speed_of_light_it_came(
    scene: Scene,
) -> None:
    await scene.submit(mode="ranked", gpu="H200")
    await factories.judge_one(scene.app, timed(*at_share(0.71)), gpu="H200")
    await scene.bot.cards.refresh(1)

    (embed,) = scene.in_threads()[-1].embeds
    assert (embed.title or "").endswith(", 71 % of speed of light")
    assert (embed.description or "").count("(71 % of light)") == 5
    assert "Ranked 1st of 1" in (embed.description or "")


async def test_a_result_on_a_processor_tells_nothing_of_light(scene: Scene) -> None:
    result = await scene.judged("ranked", 40_000)

    assert "light" not in words(result)
