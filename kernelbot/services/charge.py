"""What a run costs its owner: nothing that is our fault or our wish."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import fairness
from kernelbot.judge.protocol import Verdict, VerdictKind
from kernelbot.services import remeasure, turns
from kernelbot.services.context import Context
from kernelbot.storage import shares


async def ended(
    ctx: Context,
    connection: AsyncConnection,
    submission: Row[Any],
    run: Row[Any],
    found: Verdict | None,
) -> None:
    """Charge a run that has just ended; ``found`` is None where its owner stopped it.

    What fails by our fault, what we repeat and what is repeated by us costs nothing.
    """
    known = await turns.pool(ctx, connection, run.gpu)
    ours = (
        submission.repeats is not None
        or submission.refunded
        or (found is not None and found.kind is VerdictKind.JUDGE_FAILED)
        or run.note in (remeasure.OUTDATED, remeasure.NOT_TAKEN)
    )
    seconds = 0.0 if ours else _seconds(run, found)
    weight = known.weights.get(run.leaderboard_id, 1.0)
    await shares.charge(connection, run, seconds * known.gpus, weight, fairness.HALF_LIFE_S)


def held_s(run: Row[Any]) -> float | None:
    """How long a run had its device; None where its judge never began, because it was still to get one."""
    if run.judged_at is None:
        return None
    held: float = (run.finished_at - run.judged_at).total_seconds()
    return max(0.0, held)


def _seconds(run: Row[Any], found: Verdict | None) -> float:
    """What of that is charged: what we took to get there is not."""
    held = held_s(run) or 0.0
    device_s = found.spent.device_s if found is not None else 0.0
    return min(held, device_s) if device_s > 0 else held
