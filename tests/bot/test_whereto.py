"""A file that came without its leaderboard or its GPUs: kept, and asked for what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kernelbot.bot.client import Bot
from kernelbot.services import submit, unaddressed
from tests import factories
from tests.bot.scene import FILE, Scene, labels, words
from tests.bot.test_failures import apologizes, lose_the_database
from tests.services.test_turns import rows


def offered(message: Any) -> list[str]:
    """What stands in the menu under a message."""
    (menu,) = [item for row in message.components for item in row["components"]]
    return [option["value"] for option in menu["options"]]


async def test_without_a_gpu_the_file_is_kept_and_goes_to_those_that_are_chosen(
    scene: Scene,
) -> None:
    asked = await scene.slash("submit", file=FILE, leaderboard="vectoradd", mode="benchmark")
    question, kinds = words(asked.response), offered(asked.response)

    await scene.ada.select(asked.response, ["H100", "CPU"])

    assert asked.ephemeral
    assert "I have kernel.py. Which GPUs is it for?" in question
    assert {"CPU", "H100", "T4"} <= set(kinds)
    told = words(asked.response)
    assert "**#1** accepted: kernel.py for vectoradd, benchmark." in told
    assert "H100: " in told
    assert "CPU: " in told
    assert "https://discord.com/channels/" in told
    assert labels(asked.response) == [], "nothing is left to be chosen"
    assert await rows(scene.app, "SELECT id FROM drafts") == []


async def test_without_a_leaderboard_either_one_is_asked_for_after_the_other_also_after_a_restart(
    scene: Scene,
) -> None:
    asked = await scene.slash("submit", file=FILE)
    assert "Which leaderboard is it for?" in words(asked.response)
    assert "vectoradd" in offered(asked.response)

    await restarted(scene)
    await scene.ada.select(asked.response, ["vectoradd"])
    assert "Which GPUs is it for?" in words(asked.response)
    await restarted(scene)
    await scene.ada.select(asked.response, ["CPU"])

    assert "**#1** accepted: kernel.py for vectoradd, test." in words(asked.response)


async def restarted(scene: Scene) -> None:
    bot = Bot(scene.app)
    await scene.env.restart_bot(bot)
    await bot.index.refresh()


async def test_pasted_code_is_asked_for_its_gpus_too(scene: Scene) -> None:
    form = await scene.slash("submit", leaderboard="vectoradd")
    filled = {"code": factories.CODE.decode(), "file": "kernel.py", "leaderboard": ["vectoradd"]}

    asked = await scene.ada.submit_modal(form, {**filled, "gpu": [], "mode": ["test"]})
    await scene.ada.select(asked.response, ["CPU"])

    assert "**#1** accepted" in words(asked.response)


async def test_a_choice_that_is_refused_can_be_made_once_more(scene: Scene) -> None:
    exe = ("kernel.exe", factories.CODE)
    asked = await scene.slash("submit", file=exe, leaderboard="vectoradd")

    refused = await scene.ada.select(asked.response, ["CPU"])

    assert ".py" in refused.followups[-1].content
    assert "CPU" in offered(asked.response)


async def test_who_chooses_twice_at_once_is_told_that_the_file_is_sent(scene: Scene) -> None:
    asked = await scene.slash("submit", file=FILE, leaderboard="vectoradd")
    (kept,) = await rows(scene.app, "SELECT id FROM pending_acts")
    actor = await scene.own()
    draft = await unaddressed.find(scene.app, actor, kept.id)
    await submit.accept(scene.app, actor, replace(draft, gpus=("H100",)))  # the other choice

    refused = await scene.ada.select(asked.response, ["CPU"])

    assert "This file is sent already" in refused.followups[-1].content
    assert len(await rows(scene.app, "SELECT id FROM submissions")) == 1


async def test_a_file_that_is_not_kept_any_more_is_asked_for_again(scene: Scene) -> None:
    asked = await scene.slash("submit", file=FILE, leaderboard="vectoradd")
    await rows(scene.app, "UPDATE drafts SET created_at = now() - interval '3 hours'")
    other = await scene.slash("submit", file=FILE, leaderboard="vectoradd")

    refused = await scene.ada.select(asked.response, ["CPU"])
    await scene.ada.select(other.response, ["CPU"])

    assert "not kept any more. Send it again." in refused.followups[-1].content
    assert "**#1** accepted" in words(other.response)


async def test_without_a_database_a_choice_is_acknowledged_first_and_apologizes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await scene.slash("submit", file=FILE, leaderboard="vectoradd")
    lost = lose_the_database(scene, monkeypatch)
    scene.faults = 0

    refused = await scene.ada.select(asked.response, ["CPU"])

    assert not lost.asked_unheard
    assert apologizes(refused.followups[-1].content)
