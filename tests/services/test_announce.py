"""The outbox: claimed by one, told once, told again only when nobody said it was."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.services import announce
from kernelbot.storage import outbox
from tests.patience import until


async def put(app: App, *keys: str, topic: str = "podium") -> None:
    async with app.database.transaction() as connection:
        for key in keys:
            await outbox.add(connection, key, topic, {"key": key})


async def later(app: App, seconds: float) -> None:
    """So much time passes for what is due."""
    query = text("UPDATE outbox SET due_at = due_at - make_interval(secs => :seconds)")
    async with app.database.transaction() as connection:
        await connection.execute(query, {"seconds": seconds})


async def test_an_announcement_is_claimed_by_one_of_many(app: App) -> None:
    await put(app, *"abcdef")

    found = await asyncio.gather(*(announce.claim(app, ["podium"], 3, 60) for _ in range(5)))

    keys = [item.key for items in found for item in items]
    assert sorted(keys) == list("abcdef")


async def test_announcements_come_in_the_order_they_were_written(app: App) -> None:
    await put(app, "c", "a", "b")

    assert [item.key for item in await announce.claim(app, ["podium"], 10, 60)] == ["c", "a", "b"]


async def test_a_device_is_back_only_once_it_was_told_as_out(app: App) -> None:
    await put(app, "out", "back", topic="notice")

    (first,) = await announce.claim(app, ["notice"], 10, 60, in_order=2)
    assert first.key == "out"
    assert await announce.claim(app, ["notice"], 10, 60, in_order=2) == ()

    await announce.delivered(app, first.id, "message 7")
    assert [item.key for item in await announce.claim(app, ["notice"], 10, 60, in_order=2)] == [
        "back"
    ]


async def test_the_same_key_is_one_announcement(app: App) -> None:
    await put(app, "a", "a")
    await put(app, "a")

    assert len(await announce.claim(app, ["podium"], 10, 60)) == 1


async def test_only_the_topics_asked_for_come(app: App) -> None:
    await put(app, "a")
    await put(app, "b", topic="finished")

    assert [item.key for item in await announce.claim(app, ["finished"], 10, 60)] == ["b"]
    assert await announce.claim(app, [], 10, 60) == ()


async def test_what_was_delivered_never_comes_again(app: App) -> None:
    await put(app, "a")
    (found,) = await announce.claim(app, ["podium"], 1, 0)

    await announce.delivered(app, found.id, "message 7")
    await announce.failed(app, found.id, "late words of a slow one", 0)
    await announce.delivered(app, found.id, "message 8")

    assert await announce.claim(app, ["podium"], 1, 0) == ()
    async with app.database.read() as connection:
        row = (await connection.execute(text("SELECT receipt, trouble FROM outbox"))).one()
    assert tuple(row) == ("message 7", "")


async def test_what_nobody_acknowledged_comes_again_counted(app: App) -> None:
    await put(app, "a")

    (first,) = await announce.claim(app, ["podium"], 1, 60)
    await later(app, 50)
    assert await announce.claim(app, ["podium"], 1, 60) == ()
    await later(app, 10)
    (again,) = await announce.claim(app, ["podium"], 1, 60)

    assert (again.id, first.attempt, again.attempt) == (first.id, 1, 2)


async def test_what_failed_comes_again_after_its_pause(app: App) -> None:
    await put(app, "a")
    (first,) = await announce.claim(app, ["podium"], 1, 60)

    await announce.failed(app, first.id, "x" * 5000, 40)

    await later(app, 30)
    assert await announce.claim(app, ["podium"], 1, 60) == ()
    await later(app, 10)
    (again,) = await announce.claim(app, ["podium"], 1, 60)
    assert again.id == first.id


async def test_an_announcement_rolled_back_with_its_cause_was_never_there(app: App) -> None:
    class Elsewhere(Exception):
        pass

    try:
        async with app.database.transaction() as connection:
            await outbox.add(connection, "a", "podium", {})
            raise Elsewhere
    except Elsewhere:
        pass

    assert await announce.claim(app, ["podium"], 1, 60) == ()


async def test_whoever_listens_is_woken(app: App) -> None:
    async with app.events.on("kernelbot_outbox", "podium") as news:
        await until(lambda: put_and_hear(app, news))


async def put_and_hear(app: App, news: object) -> bool:
    # The ear may still be connecting: what it does not hear is found by polling.
    await put(app, "a")
    return bool(await news.wait(1.0))  # type: ignore[attr-defined]
