"""Competitions as a whole: coming in with a code, and who is ahead across their problems."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kernelbot.bot import board_posts
from kernelbot.bot.client import Bot
from kernelbot.domain.competition import Phase, Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.services import identity, invitations
from tests import factories
from tests.bot.scene import Scene, labels, words
from tests.conftest import ADMIN_TOKEN
from tests.services import contest


async def closed(scene: Scene, shelf: Path, most: int | None = None) -> str:
    """A competition by invitation beside an open one; a code for it."""
    await contest.published(
        scene.app, shelf,
        contest.contest(scoring=CompetitionScoring()),
        contest.contest(
            contest.board("secret-sum", problem="vectoradd"), name="secret-class",
            title="A secret class", visibility=Visibility.INVITE, scoring=CompetitionScoring(),
        ),
    )  # fmt: skip
    await scene.bot.index.refresh()
    admin = await identity.authenticate(scene.app, ADMIN_TOKEN, "api")
    made = await invitations.create(scene.app, admin, "secret-class", most, None)
    assert made.code is not None
    return made.code


async def offered(scene: Scene, command: str, **filled: str) -> list[str]:
    """What is completed once the bot has looked what this person sees."""
    await scene.typed(command, "competition", "", **filled)
    for task in list(scene.bot.index._looking):
        await task
    return await scene.typed(command, "competition", "", **filled)


async def test_the_code_alone_lets_one_in_and_from_then_on_its_name_is_completed(
    scene: Scene, shelf: Path
) -> None:
    code = await closed(scene, shelf)
    before = await offered(scene, "join", code=code), await offered(scene, "standings")

    joined = await scene.slash("join", code=f" {code} ")
    scene.bot.index._seen.clear()

    assert before == (["getting-started"], ["getting-started"])
    assert "You are in **A secret class**. Its leaderboards: secret-sum." in words(joined.response)
    assert await offered(scene, "standings") == ["getting-started", "secret-class"]


async def test_a_code_that_is_used_up_says_nothing_of_where_it_led(
    scene: Scene, shelf: Path
) -> None:
    code = await closed(scene, shelf, most=1)
    eve = scene.guild.add_member(scene.env.create_user("eve"))
    await scene.slash("join", code=code)

    late = await eve.slash(scene.channel, "join", code=code)
    again = await scene.slash("join", code=code)
    guessed = await eve.slash(scene.channel, "join", code="x", competition="secret-class")

    assert "There is no competition that this code lets you into." in words(late.response)
    assert "secret" not in words(late.response)
    assert "You are in" in words(again.response)
    assert "There is no competition 'secret-class' that this code" in words(guessed.response)


async def test_the_standings_have_pages_the_own_row_and_the_other_phases(
    scene: Scene, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_posts, "ROWS", 2)
    await contest.published(
        scene.app, shelf,
        contest.contest(
            contest.board(phase="heats", points=100),
            contest.board("histogram", phase="final", points=50, opens=contest.now() + contest.HOUR),
            phases=(Phase(name="heats", title="The heats"), Phase(name="final")),
            scoring=CompetitionScoring(),
        ),
    )  # fmt: skip
    await scene.bot.index.refresh()
    for name, ns in (("bob", 10_000), ("eve", 20_000)):
        await factories.ranked(scene.app, await factories.make_actor(scene.app, name), ns)
    await factories.ranked(scene.app, await scene.own(), 100_000)

    shown = await scene.slash("standings", competition="getting-started")
    first, buttons = words(shown.response), labels(shown.response)
    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(shown.response, label="Next ▶")
    second = words(shown.response)
    await scene.ada.click(shown.response, label="final")

    assert "A contest · The heats" in first
    assert re.search(r"  1  bob +100\n", first)
    assert re.search(r"…\n>   3  ada +80\n", first)
    assert "Problems: vectoradd (CPU) 100." in first
    assert "You: vectoradd (CPU) 3rd, 80 %." in first
    assert buttons == ["Next ▶", "final"]
    assert "bob" not in second
    assert "Page 2 of 2 · 3 ranked · getting-started" in second
    assert labels(shown.response) == ["heats"]
    assert "Be the first!" in words(shown.response)


async def test_phases_are_completed_of_the_chosen_competition(scene: Scene, shelf: Path) -> None:
    phases = (Phase(name="heats", title="The heats"), Phase(name="final"))
    boards = contest.board(phase="heats"), contest.board("histogram", phase="final")
    await contest.published(
        scene.app, shelf, contest.contest(*boards, phases=phases, scoring=CompetitionScoring())
    )
    await scene.bot.index.refresh()

    async def phase(typed: str, **filled: Any) -> list[str]:
        return await scene.typed("standings", "phase", typed, **filled)

    assert await phase("", competition="Getting-Started") == ["final", "heats"]
    assert await phase("the h", competition="getting-started") == ["heats"]
    assert await phase("") == []


async def test_names_of_two_columns_a_letter_keep_the_table_straight(scene: Scene) -> None:
    for name, ns in (("王小明王小明王小明王小明", 10_000), ("x\u0301va", 20_000)):
        await factories.ranked(scene.app, await factories.make_actor(scene.app, name), ns)

    shown = await scene.slash("leaderboard", leaderboard="vectoradd", gpu="CPU")

    assert "王小明王小明王小…   10.00 µs" in words(shown.response)
    assert "x\u0301va" + " " * 15 + "  20.00 µs" in words(shown.response)
