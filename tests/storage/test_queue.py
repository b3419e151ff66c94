"""The queue by itself: order, claims, redelivery, in the caller's transaction."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.storage import queue
from tests.patience import until

LEASE_S = 60.0


async def enqueue(app: App, *gpus: str, priority: int = 10) -> list[int]:
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        return await queue.enqueue(connection, gpus, priority)


async def claim(
    app: App, free: dict[str, int], worker: uuid.UUID | None = None, lease_s: float = LEASE_S
) -> list[int]:
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        return await queue.claim(connection, free, worker or uuid.uuid4(), lease_s)


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
        assert await queue.claim(connection, {"CPU": 1}, uuid.uuid4(), LEASE_S) == [place]
        assert await claim(app, {"CPU": 1}) == []
        await connection.rollback()

    assert await claim(app, {"CPU": 1}) == [place]


async def test_higher_priority_goes_first_then_the_older(app: App) -> None:
    low, later_low = await enqueue(app, "CPU", "CPU", priority=10)
    (high,) = await enqueue(app, "CPU", priority=30)

    assert await claim(app, {"CPU": 3}) == [high, low, later_low]


async def test_each_gpu_has_its_own_queue_and_slots(app: App) -> None:
    places = await enqueue(app, "CPU", "T4", "CPU", "T4", "H100")

    assert await claim(app, {"T4": 1, "CPU": 2, "L4": 4}) == [places[1], places[0], places[2]]


@pytest.mark.parametrize("gpu", ["gpu", "A100 80GB", "naïve", "x" * 200])
async def test_any_name_can_be_a_gpu(app: App, gpu: str) -> None:
    (place,) = await enqueue(app, gpu)

    assert await claim(app, {gpu: 1}) == [place]


async def test_a_finished_place_is_gone(app: App) -> None:
    (place,) = await enqueue(app, "CPU")
    await claim(app, {"CPU": 1})
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        await queue.finish(connection, place, "successful")
        await queue.finish(connection, place, "successful")

    assert await left(app) == 0


async def test_a_place_put_back_keeps_its_turn_and_waits_out_its_pause(app: App) -> None:
    first, second = await enqueue(app, "CPU", "CPU")
    await claim(app, {"CPU": 1})
    async with app.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        await queue.retry(connection, first, 0.3)

    assert await claim(app, {"CPU": 1}) == [second]
    assert await claim(app, {"CPU": 1}) == []
    assert await until(lambda: claim(app, {"CPU": 1})) == [first]


async def test_what_a_silent_worker_holds_goes_to_another(app: App) -> None:
    (place,) = await enqueue(app, "CPU")
    await claim(app, {"CPU": 1})

    assert await claim(app, {"CPU": 1}, lease_s=30) == []
    assert await until(lambda: claim(app, {"CPU": 1}, lease_s=0.2)) == [place]


async def test_how_many_wait_before_is_counted_by_priority_and_age(app: App) -> None:
    places = await enqueue(app, "CPU", "CPU", "T4", priority=10)
    high = await enqueue(app, "CPU", priority=30)

    async with app.database.read() as connection:
        ahead = [await queue.ahead(connection, "CPU", place, 10) for place in places[:2]]
        assert ahead == [1, 2]
        assert await queue.ahead(connection, "CPU", high[0], 30) == 0
        assert await queue.ahead(connection, "T4", places[2], 10) == 0


async def test_claims_from_all_sides_share_the_queue_without_doubling(app: App) -> None:
    places = await enqueue(app, *["CPU"] * 40)

    async def drain() -> list[int]:
        mine: list[int] = []
        while got := await claim(app, {"CPU": 3}):
            mine += got
        return mine

    shares = await asyncio.gather(*(drain() for _ in range(5)))

    assert sorted(place for share in shares for place in share) == sorted(places)
