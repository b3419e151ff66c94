"""Measuring again: after a problem became another version, what was ranked is run on the new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.problem import Problem
from kernelbot.domain.submission import REPEAT_PRIORITY
from kernelbot.judge.protocol import Mode
from kernelbot.storage import queue as jobs
from kernelbot.storage import standings, submissions

CHANNEL = "repeat"


async def ranked(connection: AsyncConnection, board_id: int) -> Sequence[Row[Any]]:
    """Everybody's best on each GPU, to be remembered before the board begins anew."""
    return await standings.best_submissions(connection, board_id)


async def queue(
    connection: AsyncConnection,
    board_id: int,
    problem_id: int,
    problem: Problem,
    gpus: Sequence[str],
    before: Sequence[Row[Any]],
) -> int:
    """Queue those of ``before`` that have nothing on the board now; how many submissions.

    They are submissions of their own that name the one they repeat: the first keeps its verdict, the
    new one counts as sent when the first was, costs no allowance and waits behind everybody else.
    """
    again = {(row.user_id, row.gpu) for row in await ranked(connection, board_id)}
    wanted: dict[int, list[str]] = {}
    for row in before:
        runs_there = row.gpu in gpus and row.language in problem.languages and not row.banned
        if runs_there and (row.user_id, row.gpu) not in again:
            wanted.setdefault(row.submission_id, []).append(row.gpu)
    for submission_id, on in wanted.items():
        await _queue_one(connection, problem_id, problem, submission_id, on)
    return len(wanted)


async def _queue_one(
    connection: AsyncConnection,
    problem_id: int,
    problem: Problem,
    submission_id: int,
    gpus: list[str],
) -> None:
    first = await submissions.submission(connection, submission_id)
    assert first is not None, "submissions are never deleted"
    code = await submissions.code(connection, submission_id)
    await submissions.add(
        connection,
        leaderboard_id=first.leaderboard_id,
        problem_id=problem_id,
        user_id=first.user_id,
        mode=Mode.RANKED.value,
        file_name=first.file_name,
        language=first.language,
        code_digest=bytes(first.code_digest),
        code=bytes(code.content),
        channel=CHANNEL,
        profile_case=None,
        idempotency_key=None,
        repeats=first.repeats or first.id,
        priority=REPEAT_PRIORITY,
        problem_digest=problem.digest,
        gpus=gpus,
        queue_ids=await jobs.enqueue(connection, gpus, REPEAT_PRIORITY),
    )
