"""Measuring again: after a problem became another version, what was ranked is run on the new one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.competition import Freeze, freeze_at
from kernelbot.domain.problem import Problem
from kernelbot.domain.submission import REPEAT_PRIORITY
from kernelbot.storage import contests, standings, submissions
from kernelbot.storage import queue as jobs

CHANNEL = "repeat"
OUTDATED = "the problem has a new version since this was sent; it is measured again."
"""The note of a run that passed on a version which its board does not pose any more."""
NOT_TAKEN = (
    "the problem has a new version since this was sent, which does not take its language or GPU. "
    "It costs nothing of your allowance."
)
"""The note of one that cannot be measured again."""


async def everybody(
    connection: AsyncConnection,
    board_id: int,
    problem_id: int,
    problem: Problem,
    gpus: Collection[str],
    queued: Sequence[int],
    before: str,
    freeze: Freeze | None,
) -> None:
    """Begin a board anew with a version of its problem. Of ``queued`` nothing has begun: what was sent
    to the board is run on this version. Then what is ``wanted`` is queued. The caller holds the board.

    They are submissions of their own that name the one they repeat: the first keeps its verdict, the
    new one counts as sent when the first was, costs no allowance and waits behind everybody else.
    """
    await submissions.move(
        connection,
        queued,
        board_id=board_id,
        problem_id=problem_id,
        digest=problem.digest,
        languages=problem.languages,
    )
    await standings.rebuild(connection, board_id)
    chosen = await wanted(connection, board_id, problem, gpus, before, freeze)
    await _queue(connection, problem_id, [(row.submission_id, row.gpu) for row in chosen])


async def wanted(
    connection: AsyncConnection,
    board_id: int,
    problem: Problem,
    gpus: Collection[str],
    before: str,
    freeze: Freeze | None,
) -> list[Row[Any]]:
    """What is to be measured again when a board gets this version of its problem: everybody's best who
    has nothing on it yet, the fastest first, also of who had nothing on the version ``before``, which
    nothing passed perhaps. Each row has ``user_id``, ``submission_id`` and ``gpu``.

    While a freeze holds also the best of what counted when it began: that alone is shown of a person,
    who would lose their place in it, and so be known to have improved, if only what is hidden was run.
    """
    found = list(await standings.to_measure(connection, board_id, problem.digest, before))
    begun = freeze and freeze_at(freeze.begins, freeze.ends, await contests.clock(connection))
    if begun:
        there = {(row.submission_id, row.gpu) for row in found}
        found += [
            row
            for row in await standings.to_measure(
                connection, board_id, problem.digest, before, begun.begins
            )
            if (row.submission_id, row.gpu) not in there
        ]
    return [
        row
        for row in found
        if row.gpu in gpus and row.language in problem.languages and not row.banned
    ]


async def note(connection: AsyncConnection, submission: Row[Any], gpu: str) -> str:
    """What becomes of a run that passed on a version which its board does not pose any more."""
    posed = await contests.posed(connection, submission.leaderboard_id)
    taken = gpu in posed.gpus and submission.language in posed.languages
    return OUTDATED if taken else NOT_TAKEN


async def one(connection: AsyncConnection, submission: Row[Any], gpu: str) -> None:
    """Queue a submission again whose run was under way when the problem changed, unless it is queued."""
    if await standings.is_measured(connection, submission.leaderboard_id, submission.id, gpu):
        return
    posed = await contests.posed(connection, submission.leaderboard_id)
    await _queue(connection, posed.problem_id, [(submission.id, gpu)])


async def _queue(
    connection: AsyncConnection, problem_id: int, wanted: Sequence[tuple[int, str]]
) -> None:
    if not wanted:
        return
    ids, gpus = zip(*wanted, strict=True)
    await submissions.repeat(
        connection,
        ids,
        gpus,
        await jobs.enqueue(connection, gpus, REPEAT_PRIORITY),
        problem_id=problem_id,
        priority=REPEAT_PRIORITY,
        channel=CHANNEL,
    )
