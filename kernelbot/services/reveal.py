"""The end of a freeze: what stands on each leaderboard then is announced, once."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.ranking import PODIUM
from kernelbot.services import record
from kernelbot.services.context import Context
from kernelbot.storage import contests, submissions

TOPIC = "reveal"
MOST_ROWS = 10
"""Of one GPU kind: any number may share a place."""


async def due(ctx: Context) -> int:
    """Announce the leaderboards whose freeze has ended; how many freezes had. Any number of processes may
    ask at once, as often as they like.

    Podiums that change from then on are announced as ever: whoever records a result has the leaderboard
    until they are done, so each result is in the one or in the other.
    """
    async with ctx.database.transaction() as connection:
        ended = await contests.reveal(connection)
        for board_id, frozen_until in ended:
            await _announce(connection, board_id, f"reveal:{board_id}:{frozen_until.isoformat()}")
    return len(ended)


async def _announce(connection: AsyncConnection, board_id: int, key: str) -> None:
    board = await contests.board_of(connection, board_id)
    gpus = (await contests.posed(connection, board_id)).gpus
    found = [await _podium(connection, board_id, gpu) for gpu in gpus]
    podiums = [item for item in found if item["places"]]
    if not podiums or not record.may_be_told(board):
        return
    payload = {
        "leaderboard": board.name,
        "title": board.title,
        "channel": board.channel,
        "podiums": podiums,
        "unjudged": await submissions.unjudged(connection, board_id),
    }
    await record.tell(connection, board_id, key, TOPIC, payload)


async def _podium(connection: AsyncConnection, board_id: int, gpu: str) -> dict[str, Any]:
    placed = await record.head(connection, board_id, gpu)
    # One that waits for a trusted machine's word is announced by itself once that has come.
    shown = [item for item in placed if item.rank <= PODIUM and not item.entry.unconfirmed]
    places = [
        {
            "rank": item.rank,
            "tied": item.tied,
            "user_name": item.entry.user_name,
            "seconds": item.entry.seconds,
            "error": item.entry.error,
        }
        for item in shown[:MOST_ROWS]
    ]
    return {"gpu": gpu, "places": places, "more": len(shown) - len(places)}
