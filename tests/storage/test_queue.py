"""The queue by itself: order, claims, redelivery, in the caller's transaction."""

from __future__ import annotations

import asyncio
import uuid

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.storage import queue
from tests.patience import until


async def enqueue(app: App, *gpus: str, priority: int = 10) -> list[int]:
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        return await queue.enqueue(connection, gpus, priority)


async def take(
    app: App, places: list[int], most: int = 9, worker: uuid.UUID | None = None
) -> list[int]:
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        return await queue.take(connection, places, most, worker or uuid.uuid4())


async def reclaim(app: App, lease_s: float, gpu: str = "CPU") -> list[int]:
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        return await queue.reclaim(connection, gpu, 9, uuid.uuid4(), lease_s)


async def left(app: App) -> int:
    async with app.database.read() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM pgqueuer"))).scalar_one())


async def test_a_place_rolled_back_with_its_transaction_was_never_there(app: App) -> None:
    async with app.database.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await queue.enqueue(connection, ["CPU"], 10)
        await connection.rollback()

    assert await left(app) == 0


async def test_a_claim_rolled_back_leaves_the_place_to_others(app: App) -> None:
    (place,) = await enqueue(app, "CPU")
    async with app.database.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await queue.take(connection, [place], 1, uuid.uuid4()) == [place]
        assert await take(app, [place]) == []
        await connection.rollback()

    assert await take(app, [place]) == [place]


async def test_places_are_taken_in_the_order_that_was_decided_and_no_more_than_wanted(
    app: App,
) -> None:
    first, second, third = await enqueue(app, "CPU", "T4", "CPU")

    assert await take(app, [third, first, second], 2) == [third, first]
    assert await take(app, [third, first, second], 2) == [second]


async def test_a_claim_passes_over_what_somebody_else_is_claiming(app: App) -> None:
    places = await enqueue(app, "CPU", "CPU", "CPU")
    async with app.database.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await queue.take(connection, places, 1, uuid.uuid4()) == places[:1]
        assert await take(app, places, 1) == places[1:2]
        await connection.rollback()


async def test_a_finished_place_is_gone(app: App) -> None:
    (place,) = await enqueue(app, "CPU")
    await take(app, [place])
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        await queue.finish(connection, place, "successful")
        await queue.finish(connection, place, "successful")

    assert await left(app) == 0


async def test_a_place_put_back_waits_out_its_pause(app: App) -> None:
    first, second = await enqueue(app, "CPU", "CPU")
    await take(app, [first])
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        await queue.retry(connection, first, 60.0)

    assert await take(app, [first, second]) == [second]
    assert await take(app, [first]) == []
    async with app.database.transaction() as connection:
        query = "UPDATE pgqueuer SET execute_after = execute_after - interval '60 s'"
        await connection.execute(text(query))
    assert await take(app, [first]) == [first]


async def test_what_a_silent_worker_holds_goes_to_another_for_the_same_gpu(app: App) -> None:
    (place,) = await enqueue(app, "CPU")
    await take(app, [place])

    assert await reclaim(app, 30) == []
    assert await reclaim(app, 0, "T4") == []
    assert await until(lambda: reclaim(app, 0.2)) == [place]


async def test_claims_from_all_sides_share_the_queue_without_doubling(app: App) -> None:
    places = await enqueue(app, *["CPU"] * 40)

    async def drain() -> list[int]:
        mine: list[int] = []
        while got := await take(app, places, 3):
            mine += got
        return mine

    shares = await asyncio.gather(*(drain() for _ in range(5)))

    assert sorted(place for share in shares for place in share) == sorted(places)
