"""Changes: heard once committed, by those who asked; the ear grows back."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.storage import changes
from kernelbot.storage.changes import Changes, Subscription
from tests.patience import until


async def say(app: App, payload: str, channel: str = changes.SUBMISSION) -> None:
    async with app.database.transaction() as connection:
        await changes.notify(connection, channel, payload)


async def hears(app: App, ear: Subscription, payload: str) -> bool:
    """Whether a word said now arrives; the ear may just be growing back."""
    await say(app, payload)
    return await ear.wait(0.5) and payload in ear.take()


async def listeners(app: App) -> list[int]:
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND query ILIKE 'LISTEN%'"
    )
    async with app.database.read() as connection:
        return [row.pid for row in await connection.execute(text(query))]


async def test_one_hears_what_one_asked_for_and_a_star_hears_all(app: App) -> None:
    async with app.events.subscribe(7) as seven, app.events.on(changes.SUBMISSION) as every:
        await until(lambda: hears(app, seven, "7"))
        await until(lambda: hears(app, every, "8"))

        assert "8" not in seven.take()


async def test_what_is_rolled_back_was_never_said(app: App) -> None:
    async with app.events.subscribe(7) as ear, app.events.subscribe(8) as other:
        await until(lambda: hears(app, ear, "7"))
        async with app.database.engine.connect() as connection:
            await changes.notify(connection, changes.SUBMISSION, "8")
            await connection.rollback()
        await until(lambda: hears(app, ear, "7"))

        # An ear that has just grown back may have woken everybody, with no word.
        assert "8" not in other.take()


async def test_several_changes_between_two_waits_are_one(app: App) -> None:
    ear = Subscription()
    for payload in "aab":
        ear.wake(payload)

    assert await ear.wait(0.1)
    assert not await ear.wait(0.01)
    assert ear.take() == {"a", "b"}


@pytest.mark.parametrize("turns", range(5))
async def test_whoever_is_cancelled_when_the_news_comes_is_cancelled(turns: int) -> None:
    """So many turns of the loop later, or has heard it by then."""
    ear = Subscription()
    waiting = asyncio.create_task(ear.wait(60))
    await asyncio.sleep(0.01)
    ear.wake("news")
    for _ in range(turns):
        await asyncio.sleep(0)

    asked = waiting.cancel()

    await asyncio.wait({waiting})
    assert waiting.cancelled() == asked


async def test_a_lost_connection_grows_back_and_wakes_everybody(app: App) -> None:
    async with app.events.subscribe(7) as ear, app.events.on(changes.OUTBOX) as other:
        await until(lambda: hears(app, ear, "7"))
        (pid,) = await until(lambda: listeners(app))
        other.take()
        async with app.database.transaction() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

        await until(lambda: other.wait(1.0))  # nobody said anything on this channel
        await until(lambda: hears(app, ear, "7"))
        assert await listeners(app) != [pid]


async def test_who_no_longer_listens_leaves_nothing_behind(app: App) -> None:
    for _ in range(3):
        async with app.events.subscribe(7):
            pass

    assert not app.events._subscribers


async def test_an_ear_without_a_database_waits_for_one_and_closes_cleanly() -> None:
    async with Changes("postgresql://nobody@127.0.0.1:1/none") as deaf, deaf.subscribe(1) as ear:
        assert not await ear.wait(0.3)


@pytest.mark.parametrize("payload", ["", "x" * 7000])
async def test_any_payload_postgres_carries_arrives(app: App, payload: str) -> None:
    async with app.events.on(changes.CANCEL) as ear:

        async def arrives() -> bool:
            await say(app, payload, changes.CANCEL)
            return await ear.wait(0.5) and payload in ear.take()

        assert await until(arrives)


async def test_every_process_hears(app: App, database_url: str) -> None:
    ear = await asyncpg.connect(database_url)
    heard: list[str] = []
    await ear.add_listener(changes.CANCEL, lambda _c, _p, _n, payload: heard.append(payload))
    async with app.events.on(changes.CANCEL) as ours:

        async def both() -> bool:
            await say(app, "9", changes.CANCEL)
            return await ours.wait(0.5) and bool(heard)

        await until(both)
    await ear.close()
