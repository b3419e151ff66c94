"""The schema that migrations build is the schema that the code declares."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.services import identity, moderation, reveal, submissions
from kernelbot.storage.database import alembic_config, driver_url, migrate
from tests.conftest import ADMIN_TOKEN
from tests.factories import make_actor, ranked
from tests.services.contest import HOUR, board, contest, frozen, published


async def test_migrations_build_what_the_tables_declare(database_url: str) -> None:
    await asyncio.to_thread(command.check, alembic_config(database_url))


async def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))


async def test_what_there_was_before_a_migration_is_what_it_means_after(
    app: App, shelf: Path
) -> None:
    over = frozen(begins=-2 * HOUR, ends=-HOUR)
    await published(app, shelf, contest(board(freeze=over)))
    sent = await ranked(app, await make_actor(app), 1e6)
    root = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await moderation.void(app, root, sent.id, "It copied.")
    config = alembic_config(app.database.url)

    await asyncio.to_thread(command.downgrade, config, "0005")
    await asyncio.to_thread(command.upgrade, config, "head")

    assert await reveal.due(app) == 0
    (run,) = (await submissions.submission(app, root, sent.id)).runs
    assert run.decision is not None
    assert run.decision.reason == "It copied."
    async with app.database.read() as connection:
        query = text("SELECT revision, shown FROM leaderboard_gpus WHERE revision > 0")
        ((revision, shown),) = (await connection.execute(query)).all()
    assert shown == revision == 2


async def test_the_schema_can_be_taken_down_again(database_url: str) -> None:
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "base")

    connection = await asyncpg.connect(driver_url(database_url))
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' "
        "AND tablename NOT LIKE 'pgqueuer%' AND tablename <> 'alembic_version'"
    )
    await connection.close()
    assert left == 0
