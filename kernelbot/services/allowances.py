"""What people have left of their GPU-seconds: of what their competition allows, and of what was granted them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import budget
from kernelbot.domain.budget import Balance
from kernelbot.services import turns
from kernelbot.services.context import Context
from kernelbot.storage import grants, shares


async def of_board(
    ctx: Context, connection: AsyncConnection, user_id: int, board: Row[Any], gpus: Collection[str]
) -> list[Balance]:
    """On those of these GPUs that have a limit in the competition of this leaderboard."""
    found = await of_boards(ctx, connection, user_id, [board])
    return [item for item in found[board.id] if item.gpu in gpus]


async def of_boards(
    ctx: Context, connection: AsyncConnection, user_id: int, boards: Sequence[Row[Any]]
) -> dict[int, list[Balance]]:
    """By leaderboard, on each of its GPUs that has a limit. A balance is one for a whole competition."""
    limited = {board.competition_id for board in boards if board.gpu_seconds}
    if not limited:
        return {board.id: [] for board in boards}
    now = datetime.now(UTC)
    ids = sorted(limited)
    spent = await shares.spent(connection, user_id, ids, budget.WINDOW.total_seconds())
    extra = await grants.granted(connection, user_id, ids)
    reserved: dict[tuple[int, str], float] = {}
    for row in await shares.open_runs(connection, user_id, ids):
        known = await turns.pool(ctx, connection, row.gpu)
        seconds = row.runs * known.gpus * known.expected(row.leaderboard_id, row.mode).mean_s
        key = row.competition_id, row.gpu
        reserved[key] = reserved.get(key, 0.0) + seconds
    return {
        board.id: [
            budget.balance(
                gpu,
                limit + extra.get((board.competition_id, gpu), 0.0),
                spent.get((board.competition_id, gpu), ()),
                reserved.get((board.competition_id, gpu), 0.0),
                now,
            )
            for gpu in board.gpus
            if (limit := budget.limit(board.gpu_seconds or {}, gpu)) is not None
        ]
        for board in boards
    }
