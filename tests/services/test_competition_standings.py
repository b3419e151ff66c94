"""Standings across problems as they are served: few questions, made once and beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.competition_scoring import CompetitionScoring, Event, Tally, Total
from kernelbot.errors import Unavailable
from kernelbot.services import competition_standings
from tests.factories import make_actor, ranked
from tests.services.contest import board, contest, published

NAME = "getting-started"


@pytest.fixture
async def scored(app: App, shelf: Path) -> None:
    """A competition of three problems on two GPUs each, and somebody in it."""
    boards = [
        board(name, gpus=("CPU", "T4"), points=100) for name in ("vectoradd", "matmul", "histogram")
    ]
    await published(app, shelf, contest(*boards, scoring=CompetitionScoring()))
    await ranked(app, await make_actor(app), 1e6)


async def test_one_question_tells_whether_any_leaderboard_has_changed(
    app: App, scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = app.database.ask

    async def noted(query: str, *arguments: object) -> object:
        asked.append(query)
        return await ask(query, *arguments)

    monkeypatch.setattr(app.database, "ask", noted)
    page = await competition_standings.totals(app, None, NAME)

    assert len(page.events) == 6
    assert len(asked) == 1


async def test_readers_who_come_at_once_share_totals_made_beside_the_event_loop(
    app: App, scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in: list[threading.Thread] = []
    made = Tally.totals

    def noted(tally: Tally, events: Sequence[Event]) -> list[Total]:
        made_in.append(threading.current_thread())
        return made(tally, events)

    monkeypatch.setattr(Tally, "totals", noted)
    pages = await asyncio.gather(*(competition_standings.totals(app, None, NAME) for _ in range(5)))

    assert [page.items[0].user_name for page in pages] == ["ada"] * 5
    assert len(made_in) == 1
    assert made_in[0] is not threading.main_thread()


async def test_a_new_result_is_in_the_totals_that_were_made_before(app: App, scored: None) -> None:
    await competition_standings.totals(app, None, NAME)

    await ranked(app, await make_actor(app, "bob"), 0.5e6)

    page = await competition_standings.totals(app, None, NAME)
    assert [(item.user_name, item.parts[0].standing.rank) for item in page.items] == [  # type: ignore[union-attr]
        ("bob", 1),
        ("ada", 2),
    ]


@pytest.mark.parametrize("change", ['{"handicap": 2}', '{"scoring": {"rule": "median"}}'])
async def test_what_another_version_stored_can_be_had_later(
    app: App, scored: None, change: str
) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(
            text("UPDATE competitions SET document = document || CAST(:change AS jsonb)"),
            {"change": change},
        )

    with pytest.raises(Unavailable, match="another version"):
        await competition_standings.totals(app, None, NAME)
