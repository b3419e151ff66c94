"""What people see of themselves, and what they ask to hear of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from kernelbot.bot.client import Bot
from kernelbot.services import preferences
from tests import factories
from tests.bot.scene import Scene, labels, words
from tests.services import contest

OFF = [
    "Results: off", "Overtaken: off", "Deadlines: off", "Direct messages: off", "Quiet hours",
]  # fmt: skip


async def test_places_allowance_and_accounts_are_shown_to_oneself(scene: Scene) -> None:
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE leaderboards SET ranked_per_hour = 5"))
    await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 10_000)
    await factories.ranked(scene.app, await scene.own(), 40_000)

    shown = await scene.slash("me")

    assert shown.ephemeral
    assert "2nd of 2 on vectoradd (CPU) with 40.0 µs ± 0.1" in words(shown.response)
    assert "vectoradd: 4 of 5 ranked, " in words(shown.response)
    assert "discord: ada" in words(shown.response)
    assert labels(shown.response) == OFF


async def test_gpu_seconds_are_told_once_a_competition_with_when_they_come_back(
    scene: Scene, shelf: Path
) -> None:
    boards = contest.board(), contest.board("histogram")
    await contest.published(
        scene.app, shelf, contest.contest(*boards, gpu_seconds_per_day={"CPU": 3600.0})
    )
    before = words((await scene.slash("me")).response)
    await factories.ranked(scene.app, await scene.own(), 40_000)
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE spent SET gpu_s = 600"))
    some = words((await scene.slash("me")).response)
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE spent SET gpu_s = 4000"))
    none = words((await scene.slash("me")).response)

    assert "GPU-seconds left of 24 hours: getting-started on CPU: 3,600 of 3,600\n" in before
    assert re.search(r"on CPU: 3,000 of 3,600; the first come back <t:\d+:R>\n", some)
    assert re.search(r"on CPU: 0 of 3,600; there are more <t:\d+:R>\n", none)


async def test_somebody_new_is_told_how_to_begin(scene: Scene) -> None:
    shown = await scene.slash("me")

    assert "None yet: `/submit` with mode ranked." in words(shown.response)


@pytest.mark.parametrize("name", preferences.SWITCHES)
async def test_a_notification_is_turned_on_and_off_again_after_a_restart_too(
    scene: Scene, name: str
) -> None:
    shown = await scene.slash("me")
    at = preferences.SWITCHES.index(name)

    await scene.ada.click(shown.response, label=OFF[at])
    wanted = await preferences.of(scene.app, (await scene.own()).user_id)
    assert [switch for switch in preferences.SWITCHES if getattr(wanted, switch)] == [name]

    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(shown.response, label=OFF[at].replace("off", "on"))
    assert labels(shown.response) == OFF


async def test_quiet_hours_are_set_shown_and_taken_back(scene: Scene) -> None:
    shown = await scene.slash("me")
    asked = await scene.ada.click(shown.response, label="Quiet hours")

    await scene.ada.submit_modal(asked, {"from": "22:30", "until": "7", "zone": "Europe/Berlin"})
    assert "Quiet hours: 22:30 to 07:00 (Europe/Berlin)" in words(shown.response)

    asked = await scene.ada.click(shown.response, label="Quiet hours")
    await scene.ada.submit_modal(asked, {"from": "", "until": "", "zone": ""})
    assert "Quiet hours: none" in words(shown.response)


async def test_a_time_that_cannot_be_read_is_refused_with_an_example(scene: Scene) -> None:
    shown = await scene.slash("me")
    asked = await scene.ada.click(shown.response, label="Quiet hours")

    told = await scene.ada.submit_modal(asked, {"from": "late", "until": "7", "zone": "UTC"})

    assert "Write it like '22:30'" in told.followups[0].content


async def test_who_wants_direct_messages_gets_cards_and_results_there(scene: Scene) -> None:
    await preferences.switch(scene.app, await scene.own(), "direct")

    result = await scene.submit()

    assert "https://discord.com/channels/@me/" in result.response.content
    assert scene.channel.threads == []


async def test_a_competition_has_one_thread_a_person_whichever_channel_they_are_in(
    scene: Scene,
) -> None:
    other = scene.guild.create_text_channel("elsewhere")

    first = await scene.submit()
    second = await scene.ada.slash(
        other, "submit", file=("kernel.py", factories.CODE), leaderboard="vectoradd", gpu="CPU"
    )

    def thread(result: object) -> str:
        found = re.search(r"channels/\d+/(\d+)/", result.response.content)  # type: ignore[attr-defined]
        assert found is not None
        return found[1]

    assert thread(first) == thread(second)
    assert other.threads == []
