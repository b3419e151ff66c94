"""Boards whose times are what the problem's own program says carry that label wherever they are shown."""

from __future__ import annotations

import json

from sqlalchemy import text

from kernelbot.api import present
from kernelbot.app import App
from kernelbot.bot import board_posts
from kernelbot.domain.field_task import EVALUATOR, FieldTask
from kernelbot.services import competitions, standings
from tests.factories import make_actor, ranked

OWN_PROGRAM = """
    UPDATE problems SET document = jsonb_set(document, '{task}', CAST(:task AS jsonb))
    WHERE name = 'vectoradd'
"""


async def test_a_board_of_a_problem_with_its_own_program_says_so_everywhere(app: App) -> None:
    async with app.database.transaction() as connection:
        task = json.dumps(FieldTask(style=EVALUATOR).to_document())
        await connection.execute(text(OWN_PROGRAM), {"task": task})
    await ranked(app, await make_actor(app), 1e6)

    board = await standings.leaderboard(app, None, "vectoradd")
    page = await standings.standings(app, None, "vectoradd", "CPU")

    assert board.self_evaluated
    assert page.self_evaluated
    assert present.standings(page)["self_evaluated"] is True
    assert "Self-evaluated" in str(board_posts.leaderboard(board, page, 0).embeds[0].to_dict())


async def test_other_boards_do_not(app: App) -> None:
    board = await standings.leaderboard(app, None, "vectoradd")
    page = await standings.standings(app, None, "vectoradd", "CPU")

    assert not board.self_evaluated
    assert not page.self_evaluated
    assert "Self-evaluated" not in str(board_posts.leaderboard(board, page, 0).embeds[0].to_dict())
    assert not any(view.self_evaluated for view in await competitions.problems(app))
