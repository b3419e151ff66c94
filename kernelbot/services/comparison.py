"""What a result means to its owner: against their best, against the next place, against other code."""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import differing
from kernelbot.domain.people import Actor, Scope
from kernelbot.errors import NotFound
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services import standings, submissions
from kernelbot.services.context import Context
from kernelbot.services.standings import Board
from kernelbot.services.views import Comparison, Difference, Reached, RunView, SubmissionView
from kernelbot.storage import standings as boards
from kernelbot.storage import submissions as store


async def of(ctx: Context, view: SubmissionView) -> tuple[Comparison, ...]:
    """Of each passed run of a submission that the caller has been allowed to see."""
    passed = [run for run in view.runs if run.kind is VerdictKind.PASSED and run.seconds]
    if not passed or view.mode is Mode.PROFILE:  # a profiler makes code slower
        return ()
    async with ctx.database.read() as connection:
        row = await store.submission(connection, view.id)
        assert row is not None, "submissions are never deleted"
        return tuple(
            [await _compared(ctx, connection, view, run, row.leaderboard_id) for run in passed]
        )


async def _compared(
    ctx: Context, connection: AsyncConnection, view: SubmissionView, run: RunView, board_id: int
) -> Comparison:
    best = await boards.own_best(connection, run.id)
    board = await standings.board_of_run(ctx, connection, board_id, run.gpu, view.user_id)
    seconds = run.seconds or 0.0
    own = board.by_user.get(view.user_id)
    if run.mode is Mode.RANKED and own is not None and own.earlier is None:
        seconds = own.entry.seconds
    return Comparison(
        run_id=run.id,
        seconds=seconds,
        best=None
        if best is None
        else Reached(submission_id=best.submission_id, seconds=best.seconds, error=best.error),
        ahead=_ahead(board, view, run, seconds),
    )


def _ahead(board: Board, view: SubmissionView, run: RunView, seconds: float) -> Reached | None:
    """The slowest of those who are in front: by rank for who stands there, else by time."""
    posed = [item for item in board.standings if item.earlier is None]
    own = board.by_user.get(view.user_id)
    if run.mode is Mode.RANKED:
        if own is None or own.earlier is not None:
            return None  # void, or of another version: it has no place
        before = [item for item in posed if item.rank < own.rank]
    else:
        others = [item for item in posed if item.entry.user_id != view.user_id]
        before = [item for item in others if item.entry.seconds < seconds]
    if not before:
        return None
    last = max(before, key=lambda item: (item.rank, item.entry.seconds))
    entry = last.entry
    return Reached(
        submission_id=entry.submission_id,
        seconds=entry.seconds,
        error=entry.error,
        rank=last.rank,
    )


async def difference(ctx: Context, actor: Actor, before: int, after: int) -> Difference:
    """From one's own submission ``before`` to ``after``."""
    actor.needs(Scope.READ)
    old, new = await submissions.code(ctx, actor, before), await submissions.code(ctx, actor, after)
    text = await asyncio.to_thread(
        differing.unified,
        old.content.decode("utf-8", "replace"),
        new.content.decode("utf-8", "replace"),
        f"#{before} {old.file_name}",
        f"#{after} {new.file_name}",
    )
    return Difference(before=before, after=after, text=text)


async def against_best(ctx: Context, actor: Actor, submission_id: int) -> Difference:
    """From one's own best code on the same leaderboard and GPU to this. Raises NotFound where there is
    none that counts."""
    view = await submissions.submission(ctx, actor, submission_id)
    async with ctx.database.read() as connection:
        found = [await boards.own_best(connection, run.id) for run in view.runs]
    best = next((row for row in found if row is not None), None)
    if best is None:
        raise NotFound(
            f"You have no other ranked result on {view.leaderboard} to compare submission "
            f"{submission_id} with.",
            code="no_best",
        )
    return await difference(ctx, actor, best.submission_id, submission_id)
