"""The end of a freeze is announced: once, with what stands then, and to nobody who may not see it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from kernelbot.app import App
from kernelbot.domain.competition import Freeze, Visibility
from kernelbot.services import announce, reveal, standings
from kernelbot.services.views import Reveal
from kernelbot.worker import Slot, Worker
from tests.factories import CODE, make_actor, ranked, submitted
from tests.patience import until
from tests.services.contest import board, contest, frozen, published

MINUTE = timedelta(minutes=1)


async def freeze(app: App, shelf: Path, held: Freeze | None, **values: Any) -> None:
    await published(app, shelf, contest(board(freeze=held), **values))


def over(minutes: int = 1) -> Freeze:
    return frozen(begins=-9 * MINUTE, ends=-minutes * MINUTE)


async def told(app: App) -> list[Reveal]:
    found = await announce.claim(app, [reveal.TOPIC], 99, 60)
    return [announce.reveal(item) for item in found]


async def named(app: App) -> list[list[tuple[int, str]]]:
    return [
        [(place.rank, place.user_name) for podium in item.podiums for place in podium.places]
        for item in await told(app)
    ]


@pytest.fixture
async def hidden(app: App, shelf: Path) -> None:
    """Four are ranked, the first and the last of them in a freeze."""
    await freeze(app, shelf, None)
    for name, ns in (("bob", 2e6), ("cy", 3e6)):
        await ranked(app, await make_actor(app, name), ns)
    await freeze(app, shelf, frozen())
    for name, ns in (("ada", 1e6), ("dee", 4e6)):
        await ranked(app, await make_actor(app, name), ns)


async def test_when_a_freeze_ends_its_podium_is_announced_once_whoever_looks(
    app: App, shelf: Path, hidden: None
) -> None:
    await reveal.due(app)
    assert await told(app) == []

    await freeze(app, shelf, over())
    await asyncio.gather(*(reveal.due(app) for _ in range(5)))
    await reveal.due(app)

    assert await named(app) == [[(1, "ada"), (2, "bob"), (3, "cy")]]
    assert await reveal.due(app) == 0


async def test_what_is_still_to_be_judged_is_said_and_announced_when_it_is(
    app: App, shelf: Path, hidden: None
) -> None:
    await submitted(app, await make_actor(app, "eve"), code=CODE + b"# late\n")
    await freeze(app, shelf, over())
    await reveal.due(app)

    (found,) = await told(app)
    assert (found.unjudged, found.leaderboard, found.title) == (1, "vectoradd", "Vector addition")
    await ranked(app, await make_actor(app, "fay"), 0.5e6)
    (*_, last) = await announce.claim(app, ["podium"], 99, 60)
    assert last.payload["leaderboard"] == "vectoradd"


async def test_a_freeze_that_is_taken_out_has_ended_too(
    app: App, shelf: Path, hidden: None
) -> None:
    await freeze(app, shelf, None)
    await freeze(app, shelf, None)
    await reveal.due(app)
    await freeze(app, shelf, None)
    await reveal.due(app)

    assert await named(app) == [[(1, "ada"), (2, "bob"), (3, "cy")]]


async def test_each_of_two_freezes_is_announced(app: App, shelf: Path, hidden: None) -> None:
    for minutes in (2, 1):
        await freeze(app, shelf, frozen())
        await freeze(app, shelf, over(minutes))
        await reveal.due(app)

    assert len(await told(app)) == 2


@pytest.mark.parametrize(
    ("channel", "announcements"), [("", 0), ("staff", 0), ("1189498204333543425", 1)]
)
async def test_what_not_everybody_may_see_is_told_only_in_one_channel_by_its_id(
    app: App, shelf: Path, hidden: None, channel: str, announcements: int
) -> None:
    private = {"visibility": Visibility.PRIVATE, "channel": channel}
    await freeze(app, shelf, over(), **private)
    await reveal.due(app)

    assert len(await told(app)) == announcements


async def test_a_freeze_that_was_over_when_it_was_said_is_not_announced(
    app: App, shelf: Path
) -> None:
    await freeze(app, shelf, None)
    await ranked(app, await make_actor(app, "ada"), 1e6)

    for minutes in (3, 2):
        await freeze(app, shelf, over(minutes))
        assert await reveal.due(app) == 0

    await freeze(app, shelf, frozen())
    await freeze(app, shelf, over())
    assert await reveal.due(app) == 1
    assert await named(app) == [[(1, "ada")]]


async def test_a_freeze_that_never_began_has_not_ended(app: App, shelf: Path) -> None:
    await freeze(app, shelf, frozen(begins=MINUTE))
    await ranked(app, await make_actor(app, "ada"), 1e6)

    await freeze(app, shelf, over())

    assert await reveal.due(app) == 0


async def test_nothing_is_announced_where_nobody_is_ranked(app: App, shelf: Path) -> None:
    await freeze(app, shelf, frozen())
    await freeze(app, shelf, over())

    assert await reveal.due(app) == 1
    assert await told(app) == []


@pytest.fixture
async def worker(app: App, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """One that has nothing to judge, and looks often."""

    class Idle:
        backlog = 0

        async def close(self) -> None:
            pass

    monkeypatch.setattr("kernelbot.worker.REVEAL_S", 0.1)
    made = Worker(app, [Slot("T4", Idle())], {})  # type: ignore[arg-type]
    yield made
    made.stop()


async def test_a_worker_sees_to_it(app: App, shelf: Path, hidden: None, worker: Worker) -> None:
    await freeze(app, shelf, over())
    task = asyncio.create_task(worker.run())

    assert await until(lambda: told(app))
    worker.stop()
    await task


async def test_what_cannot_be_announced_stops_no_worker_and_is_announced_when_it_can(
    app: App, shelf: Path, hidden: None, worker: Worker
) -> None:
    await freeze(app, shelf, over())
    failed: list[object] = []
    event.listen(app.database.engine.sync_engine, "handle_error", failed.append)
    async with app.database.transaction() as connection:
        await connection.exec_driver_sql(
            "ALTER TABLE outbox ADD CONSTRAINT nothing CHECK (false) NOT VALID"
        )
    task = asyncio.create_task(worker.run())
    assert await until(lambda: len(failed) > 2 or task.done())
    assert not task.done()

    async with app.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE outbox DROP CONSTRAINT nothing")

    assert await until(lambda: told(app))
    worker.stop()
    await task


@pytest.fixture(params=[-1, 1], ids=["slow", "fast"])
def other_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this process is an hour off."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=request.param)

    for name, module in list(sys.modules.items()):
        if name.startswith("kernelbot.services.") and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Wrong)


async def test_a_freeze_holds_by_the_clock_of_the_database_whatever_other_clocks_say(
    app: App, shelf: Path, hidden: None, other_clock: None
) -> None:
    page = await standings.standings(app, None, "vectoradd", "CPU")
    assert [item.entry.user_name for item in page.items] == ["bob", "cy"]
    assert (await standings.leaderboard(app, None, "vectoradd")).people == 2
    assert await podiums(app) == ["bob", "cy"]

    await freeze(app, shelf, over())
    await reveal.due(app)
    await ranked(app, await make_actor(app, "fay"), 0.5e6)

    page = await standings.standings(app, None, "vectoradd", "CPU")
    assert [item.entry.user_name for item in page.items] == ["fay", "ada", "bob", "cy", "dee"]
    assert await podiums(app) == ["bob", "cy", "fay"]


async def test_a_result_between_the_end_of_a_freeze_and_its_announcement_is_in_that_alone(
    app: App, shelf: Path, hidden: None
) -> None:
    await freeze(app, shelf, over())

    await ranked(app, await make_actor(app, "eve"), 0.5e6)
    await reveal.due(app)

    assert await named(app) == [[(1, "eve"), (2, "ada"), (3, "bob")]]
    assert await podiums(app) == ["bob", "cy"]
    await ranked(app, await make_actor(app, "fay"), 0.25e6)
    assert await podiums(app) == ["bob", "cy", "fay"]


async def podiums(app: App) -> list[str]:
    """Whose place on a podium was announced by itself, ever."""
    async with app.database.read() as connection:
        rows = await connection.execute(
            text("SELECT payload->>'user_name' FROM outbox WHERE topic = 'podium' ORDER BY id")
        )
    return list(rows.scalars())
