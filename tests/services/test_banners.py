"""What everybody should know now: unserved kinds, queues that stand still, devices out of service."""

from __future__ import annotations

import uuid

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.services import banners, intake
from kernelbot.services.canaries import Notice
from kernelbot.storage import fleet
from tests.factories import make_actor, submitted
from tests.services.machines import administrator, machine
from tests.services.test_canaries import app, grown, one, timed

__all__ = ["app"]

LONG_AGO = text(
    "UPDATE pgqueuer SET created = created - interval '1 hour', execute_after = execute_after - interval '1 hour'"
)


async def told(app: App, gpu: str = "CPU") -> list[Notice]:
    return list(banners.about(await banners.notices(app), [gpu]))


async def test_a_kind_that_nobody_serves_is_told_until_a_machine_is_there(app: App) -> None:
    (notice,) = await told(app)
    assert notice.text.startswith("CPU")
    assert "is connected. What is handed in waits until one is" in notice.text

    await (await machine(app)).beat()

    assert await told(app) == []


async def test_a_kind_whose_machines_are_silent_is_told_with_the_time_since(app: App) -> None:
    async with app.database.transaction() as connection:
        await fleet.register(connection, uuid.uuid4(), "worker-1", {"CPU": 1}, {}, "0" * 64)
        await connection.execute(
            text("UPDATE workers SET heartbeat_at = now() - interval '30 minutes'")
        )
    (notice,) = await told(app)
    (later,) = await told(app)
    assert notice.since.microsecond == 0
    assert abs((notice.since - later.since).total_seconds()) < 60


async def test_a_kind_that_takes_nothing_and_for_which_nothing_waits_is_not_told(app: App) -> None:
    await intake.pause(app, await administrator(app), "CPU", "The room is too warm.", hold=False)
    assert await told(app) == []


async def test_a_queue_that_stands_still_beside_a_free_machine_is_told(app: App) -> None:
    await submitted(app, await make_actor(app))
    await (await machine(app)).beat()
    assert await told(app) == []

    async with app.database.transaction() as connection:
        await connection.execute(LONG_AGO)

    (notice,) = await told(app)
    assert notice.text.startswith("CPU: the queue stands still although a machine is free.")
    await intake.pause(app, await administrator(app), "CPU", "The room is too warm.", hold=True)
    assert await told(app) == []


async def test_a_device_that_is_out_of_service_is_among_them(app: App) -> None:
    await grown(app)
    for _ in range(2):
        await one(app, timed(stream_s=1.3e-4))

    found = await told(app, "H200")

    assert "H200: NVIDIA H200 is out of service" in found[-1].text
    assert all("box" not in notice.text for notice in found)
