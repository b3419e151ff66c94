"""What waits for a language or a GPU that its leaderboard takes no longer, or for one that was hidden: ended, with
the reason, for nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.judge.protocol import Mode
from kernelbot.services import record
from kernelbot.services.context import Context
from kernelbot.storage import queue, submissions

FREE = "It costs nothing of your allowance."
HIDDEN = f"the leaderboard was taken off the list. {FREE}"


@dataclass(frozen=True)
class Posed:
    """What a leaderboard takes from now on."""

    digest: str
    languages: Collection[str]
    gpus: Collection[str]
    anew: bool  # another version of its problem than before
    hidden: bool = False


def _why_not(posed: Posed, run: Row[Any]) -> str:
    """Why a run that has not begun will never be judged; empty: it will be."""
    gpu, language, mode = run.gpu, run.language, Mode(run.mode)
    if posed.hidden:
        return HIDDEN
    if gpu not in posed.gpus:
        return _not_offered(gpu)
    if run.known:
        return "it has been measured on this version of the problem."
    # What is not ranked is judged on the version it was sent for.
    if posed.anew and mode is Mode.RANKED and language not in posed.languages:
        taken = ", ".join(posed.languages)
        return f"the problem has a new version, which takes {taken} and no {language}. {FREE}"
    return ""


def _not_offered(gpu: str) -> str:
    return f"the leaderboard does not offer {gpu} any more. {FREE}"


async def found(
    connection: AsyncConnection, boards: Mapping[int, Posed]
) -> list[tuple[Row[Any], str]]:
    """The runs that nobody has begun and that will not be judged, each with the reason."""
    runs = await submissions.unbegun(
        connection, {board_id: posed.digest for board_id, posed in boards.items()}
    )
    return [(run, why) for run in runs if (why := _why_not(boards[run.leaderboard_id], run))]


async def hold(
    connection: AsyncConnection, boards: Mapping[int, Posed]
) -> Sequence[tuple[Row[Any], str]]:
    """The same, and none of them begins before the end of the transaction. To be asked before anything
    else is locked, as the queue goes first."""
    runs = await found(connection, boards)
    await queue.lock(connection, [run.id for run, _ in runs])
    return runs


async def put_back(ctx: Context) -> int:
    """End what waits although its GPU was withdrawn or its leaderboard hidden: because its worker gave it back or is
    gone, or because it was sent at that very moment; how much that was."""
    async with ctx.database.transaction() as connection:
        runs = await submissions.not_offered(connection)
        if runs:
            await queue.lock(connection, [run.id for run in runs])
            await submissions.lock_queued(connection, [], [run.submission_id for run in runs])
            whys = [HIDDEN if run.retired else _not_offered(run.gpu) for run in runs]
            await end(connection, list(zip(runs, whys, strict=True)))
    return len(runs)


async def end(connection: AsyncConnection, held: Sequence[tuple[Row[Any], str]]) -> None:
    """End what ``hold`` gave, but for what began meanwhile; its owner is told as of any other end."""
    for run, why in held:
        if not await submissions.withdraw(connection, run.id, why):
            continue
        await submissions.refund(connection, run.submission_id)
        await queue.finish(connection, run.queue_id, "canceled")
        data = {"why": why}
        await submissions.add_event(connection, run.submission_id, run.id, "cancelled", data)
        submission = await submissions.lock(connection, run.submission_id)
        assert submission is not None, "submissions are never deleted"
        await record.not_measured(connection, submission, run)
        await record.not_confirmed(connection, run.id)
        await record.settle(connection, submission)
