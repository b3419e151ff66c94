"""Runs the migrations. The address comes in by ``config.attributes['url']``, never from a file."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kernelbot.storage.database import sqlalchemy_url
from kernelbot.storage.tables import metadata


def ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    """Leave PgQueuer's own tables to PgQueuer."""
    return not (kind == "table" and (name or "").startswith("pgqueuer"))


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=ours,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        # A migration that cannot have its lock soon gives up rather than stop everybody behind it.
        connection.execute(text("SET lock_timeout = '10s'"))
        context.run_migrations()


async def main() -> None:
    engine = create_async_engine(
        sqlalchemy_url(context.config.attributes["url"]), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
