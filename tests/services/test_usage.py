"""GPU-hours and cost, as those who pay see them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.errors import Forbidden, InvalidInput
from kernelbot.services import usage
from tests.factories import make_actor, ranked
from tests.services.machines import administrator


async def rows(app: App, query: str, **values: Any) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(text(query), values)


async def took(app: App, gpu: str, seconds: float) -> None:
    """Everything that has run so far ran so long on this kind."""
    query = "UPDATE runs SET gpu = :gpu, judged_at = finished_at - make_interval(secs => :seconds)"
    await rows(app, query, gpu=gpu, seconds=seconds)


async def test_gpu_hours_are_wall_time_times_gpus_and_cost_their_price(app: App) -> None:
    await ranked(app, await make_actor(app), 1e6)
    await took(app, "H200x4", 1800.0)
    admin = await administrator(app)
    priced = dataclasses.replace(app.targets["H200x4"], price=4.0)
    app = dataclasses.replace(app, targets={**app.targets, "H200x4": priced})

    by = {name: await usage.usage(app, admin, by=name) for name in ("competition", "target")}
    person = await usage.usage(app, admin, by="person")

    (item,) = by["competition"].items
    assert (item.name, item.gpu, item.runs) == ("getting-started", "H200x4", 1)
    assert item.gpu_hours == pytest.approx(2.0)
    assert item.cost == pytest.approx(8.0)
    assert by["target"].cost == pytest.approx(item.cost)
    assert person.items[0].name.startswith("ada (")


async def test_what_has_no_price_costs_what_nobody_knows(app: App) -> None:
    await ranked(app, await make_actor(app), 1e6)
    await took(app, "MI300X", 3600.0)
    found = await usage.usage(app, await administrator(app), by="target")
    assert [(item.gpu_hours, item.cost) for item in found.items] == [(pytest.approx(1.0), None)]
    assert found.cost == 0.0


async def test_what_ended_before_is_not_in_it(app: App) -> None:
    await ranked(app, await make_actor(app), 1e6)
    await rows(app, "UPDATE runs SET finished_at = finished_at - interval '2 days'")
    admin = await administrator(app)
    assert (await usage.usage(app, admin, days=1.0)).items == ()
    assert len((await usage.usage(app, admin, days=3.0)).items) == 1


async def test_it_is_for_administrators_and_by_what_there_is(app: App) -> None:
    with pytest.raises(Forbidden):
        await usage.usage(app, await make_actor(app))
    with pytest.raises(InvalidInput):
        await usage.usage(app, await administrator(app), by="weather")
    free = dataclasses.replace(app.targets["H200"], price=0.0)
    assert usage.cost(dataclasses.replace(app, targets={"H200": free}), "H200", 2.0) == 0.0
