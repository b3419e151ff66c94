"""Running somebody's submission again at an organizer's wish: after a failure of ours, say.

Unlike what is judged again (``rejudge``) it is a submission of its owner like any other: its result is brought to
them and counts. It costs none of their allowance and asks for no window.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.reasons import bounded_reason
from kernelbot.domain.submission import PRIORITY, Status
from kernelbot.errors import Conflict, NotFound
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services import submissions
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.services.views import SubmissionView
from kernelbot.storage import cards, contests, people, queue, standings
from kernelbot.storage import submissions as store


async def rerun(ctx: Context, admin: Actor, submission_id: int, reason: str) -> SubmissionView:
    """Queue a submission once more, in its mode, on those of its GPUs where it does not count yet. One that is
    under way already is given back instead (``repeated``).

    Raises NotFound, and Conflict for what has not ended, counts, or cannot be judged any more.
    """
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        sent = await _ended(connection, submission_id)
        known = await store.under_way_again(connection, sent)
        new = known or await _queued(connection, sent)
        if known is None:
            await cards.continue_with(connection, sent.id, new)
            await store.add_event(connection, sent.id, None, "rerun", {"submission": new})
            target = f"submission:{sent.id}"
            await people.record(
                connection,
                admin.user_id,
                "submission.rerun",
                target,
                submission=new,
                reason=reason,
            )
    async with ctx.database.read() as connection:
        row = await store.submission(connection, new)
        assert row is not None, "submissions are never deleted"
        return await submissions.view(ctx, connection, row, repeated=known is not None)


async def _ended(connection: AsyncConnection, submission_id: int) -> Row[Any]:
    """A submission that its owner sent and that has ended, locked."""
    sent = await store.lock(connection, submission_id) if 0 < submission_id <= MAX_ID else None
    if sent is None:
        raise NotFound(f"There is no submission {submission_id}.", code="unknown_submission")
    if sent.repeats is not None:
        raise Conflict(
            f"Submission {submission_id} measures submission {sent.repeats} again; run that one.",
            code="measures_another",
        )
    if not Status(sent.status).final:
        raise Conflict(f"Submission {submission_id} has not ended yet.", code="not_final")
    return sent


async def _queued(connection: AsyncConnection, sent: Row[Any]) -> int:
    posed = await contests.posed(connection, sent.leaderboard_id)
    if posed.retired:
        raise Conflict(
            "Its leaderboard was taken off the list: apply the files of its competition again first.",
            code="leaderboard_hidden",
        )
    if sent.language not in posed.languages:
        raise Conflict(
            f"Its problem does not take {sent.language} any more.", code="language_not_offered"
        )
    runs = await store.runs_of(connection, [sent.id])
    wanted = [run.gpu for run in runs if not _counts(run)]
    if not wanted and any(await standings.void_of_code(connection, sent.id)):
        raise Conflict(
            f"Submission {sent.id} passed and is void, and run again its code would be too: restore it instead "
            "(`admin restore`).",
            code="is_void",
        )
    if not wanted:
        raise Conflict(
            f"Submission {sent.id} passed and counts. To hold its times against new ones have it judged again "
            "(`rejudge`).",
            code="counts_already",
        )
    gpus = [gpu for gpu in wanted if gpu in posed.gpus]
    if not gpus:
        raise Conflict(
            f"Its leaderboard is not judged on {', '.join(wanted)} any more.",
            code="gpu_not_offered",
        )
    priority = PRIORITY[Mode(sent.mode)]
    return await store.run_again(
        connection,
        sent.id,
        gpus,
        await queue.enqueue(connection, gpus, priority),
        problem_id=posed.problem_id,
        priority=priority,
    )


def _counts(run: Row[Any]) -> bool:
    return bool(run.mode == Mode.RANKED and run.verdict == VerdictKind.PASSED and run.note == "")
