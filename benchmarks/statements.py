"""What one small reading statement costs a process, by the ways there are to ask it.

``python -m benchmarks.statements``: processor milliseconds of this process for the statement that every
read of a leaderboard begins with, through SQLAlchemy and through ``Database.ask``, in one run.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from kernelbot.app import prepare
from kernelbot.config import Settings
from kernelbot.storage import standings
from kernelbot.storage.database import Database
from kernelbot.storage.embedded import EmbeddedPostgres

REPEATS = 2000


async def cost_ms(ask: Callable[[], Awaitable[object]]) -> float:
    for _ in range(100):
        await ask()
    begun = time.process_time()
    for _ in range(REPEATS):
        await ask()
    return (time.process_time() - begun) / REPEATS * 1000


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres", durable=False) as url:
            await prepare(Settings(database_url=url, data_dir=Path(folder)))
            database = Database(url)

            async def through_sqlalchemy() -> None:
                async with database.read() as connection:
                    await connection.exec_driver_sql(standings.REVISION, ("vectoradd",))

            async def straight() -> None:
                await database.ask(standings.REVISION, "vectoradd")

            long, short = await cost_ms(through_sqlalchemy), await cost_ms(straight)
            await database.close()
    print(f"SQLAlchemy {long:.3f} ms, ask {short:.3f} ms, ratio {long / short:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
