"""The database away, going or coming back: one word for it, and nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from kernelbot.app import App
from kernelbot.errors import InvalidInput, Unavailable
from kernelbot.storage.database import Database, driver_url, sqlalchemy_url, storable
from kernelbot.storage.embedded import EmbeddedPostgres
from tests.patience import until


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_way_to_write_the_address_is_the_same_address(scheme: str) -> None:
    url = f"{scheme}://a:b@host:1/db"

    assert sqlalchemy_url(url) == "postgresql+asyncpg://a:b@host:1/db"
    assert driver_url(url) == "postgresql://a:b@host:1/db"


def test_another_database_is_refused() -> None:
    with pytest.raises(InvalidInput, match="postgresql://USER:PASSWORD@HOST"):
        sqlalchemy_url("mysql://host/db")


async def test_a_transaction_is_all_or_nothing(app: App) -> None:
    with pytest.raises(ZeroDivisionError):
        async with app.database.transaction() as connection:
            await connection.execute(text("INSERT INTO users (name) VALUES ('nobody')"))
            _ = 1 // 0

    async with app.database.read() as connection:
        found = await connection.execute(text("SELECT count(*) FROM users WHERE name = 'nobody'"))
        assert found.scalar() == 0


async def test_our_own_mistakes_are_not_taken_for_a_lost_server(app: App) -> None:
    with pytest.raises(ProgrammingError):
        async with app.database.read() as connection:
            await connection.execute(text("SELECT no_such_column FROM users"))
    with pytest.raises(IntegrityError):
        async with app.database.transaction() as connection:
            await connection.execute(text("INSERT INTO tokens (name) VALUES (NULL)"))


async def test_no_server_at_all_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", timeout_s=1)

    with pytest.raises(Unavailable):
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))


async def test_a_server_that_accepts_and_says_nothing_is_unavailable_in_time() -> None:
    callers: list[asyncio.StreamWriter] = []
    mute = await asyncio.start_server(lambda _, writer: callers.append(writer), "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    database = Database(f"postgresql://nobody@127.0.0.1:{port}/none", timeout_s=0.3)

    with pytest.raises(Unavailable):
        async with asyncio.timeout(20), database.transaction() as connection:
            await connection.execute(text("SELECT 1"))
    for caller in callers:
        caller.close()
    mute.close()
    await database.close()


async def test_a_pool_that_is_used_up_is_unavailable_after_the_time_limit(app: App) -> None:
    database = Database(app.database.url, pool_size=1, timeout_s=2)
    async with database.read():
        with pytest.raises(Unavailable):
            async with database.read():
                pass
    await database.close()


async def test_two_who_wait_for_each_other_are_told_to_try_again(app: App) -> None:
    await write(app.database, "INSERT INTO users (name) VALUES ('a'), ('b')")
    both = asyncio.Barrier(2)

    async def cross(first: str, second: str) -> None:
        async with app.database.transaction() as connection:
            for name in (first, second):
                await connection.execute(
                    text("UPDATE users SET role = 'x' WHERE name = :name"), {"name": name}
                )
                if name == first:
                    await both.wait()

    found = await asyncio.gather(cross("a", "b"), cross("b", "a"), return_exceptions=True)

    assert sorted(type(item).__name__ for item in found) == ["NoneType", "Unavailable"]


async def test_a_server_that_is_killed_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "own")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(postgres)
        database = Database(postgres.url, pool_size=3, timeout_s=10)
        stack.push_async_callback(database.close)
        await write(database, "CREATE TABLE kept (n int)")
        inside = asyncio.Event()

        async def interrupted() -> None:
            async with database.transaction() as connection:
                await connection.execute(text("INSERT INTO kept VALUES (1)"))
                inside.set()
                await connection.execute(text("SELECT pg_sleep(60)"))

        running = asyncio.create_task(interrupted())
        await inside.wait()
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGQUIT)  # the end without a checkpoint or a word

        with pytest.raises(Unavailable):
            await running
        await postgres.wait()
        with pytest.raises(Unavailable):
            await write(database, "INSERT INTO kept VALUES (2)")
        await postgres.stop()

        again = await stack.enter_async_context(EmbeddedPostgres(tmp_path / "own"))
        assert again == database.url  # the same port, so that clients find it

        async def rows() -> Any:
            with contextlib.suppress(Unavailable):
                async with database.read() as connection:
                    return (await connection.execute(text("SELECT count(*) FROM kept"))).all()

        assert [tuple(row) for row in await until(rows)] == [(0,)]


async def write(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement))


async def test_a_connection_left_in_the_middle_of_a_statement_is_not_used_again(app: App) -> None:
    database = Database(app.database.url, timeout_s=30)
    try:
        await database.ask("SELECT 1")
        abandoned = [asyncio.create_task(database.ask("SELECT pg_sleep(60)")) for _ in range(4)]
        await until(lambda: _sleeping(app, 4))
        for task in abandoned:
            task.cancel()
        await asyncio.wait(abandoned)

        answers = [await database.ask("SELECT $1::int AS n", number) for number in range(8)]
        assert [row["n"] for (row,) in answers] == list(range(8))
    finally:
        await database.close()


async def test_a_backend_that_dies_under_a_statement_costs_that_statement_only(app: App) -> None:
    database = Database(app.database.url, timeout_s=30)
    try:
        for number in range(20):
            dying = [asyncio.create_task(database.ask("SELECT pg_sleep(60)")) for _ in range(4)]
            await until(lambda: _sleeping(app, 4))
            await _end_sleepers(app)
            for found in await asyncio.gather(*dying, return_exceptions=True):
                assert isinstance(found, Unavailable), repr(found)
            (row,) = await database.ask("SELECT $1::int AS n", number)
            assert row["n"] == number
    finally:
        await database.close()


async def _sleeping(app: App, count: int) -> bool:
    rows = await app.database.ask(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
        " AND datname = current_database()"
    )
    return len(rows) == count


async def _end_sleepers(app: App) -> None:
    await app.database.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
    )


async def test_what_is_made_storable_can_be_stored_and_stays_readable(app: App) -> None:
    value = {"a\0": ["x\0y", "\ud800", {"n": 1.5, "none": None, "yes": True}], "ü": "数"}

    kept = storable(value)

    async with app.database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO audit_log (action, target, detail) "
                "VALUES ('x', 'y', CAST(:value AS jsonb))"
            ),
            {"value": json.dumps(kept)},
        )
    assert kept == {"a␀": ["x␀y", "?", {"n": 1.5, "none": None, "yes": True}], "ü": "数"}
