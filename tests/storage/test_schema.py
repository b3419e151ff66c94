"""The schema that migrations build is the schema that the code declares."""

from __future__ import annotations

import asyncio

import asyncpg
from alembic import command

from kernelbot.storage.database import alembic_config, driver_url, migrate


async def test_migrations_build_what_the_tables_declare(database_url: str) -> None:
    await asyncio.to_thread(command.check, alembic_config(database_url))


async def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))


async def test_the_schema_can_be_taken_down_again(database_url: str) -> None:
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "base")

    connection = await asyncpg.connect(driver_url(database_url))
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' "
        "AND tablename NOT LIKE 'pgqueuer%' AND tablename <> 'alembic_version'"
    )
    await connection.close()
    assert left == 0
