"""Who hears that they were passed or that time runs out: whoever asked for it, once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.services import announce, identity, notices, preferences
from kernelbot.services.notices import Notice
from tests.factories import CODE, ranked, submitted

OTHER = CODE + b"# other\n"


async def wants(app: App, name: str, *switches: str) -> Actor:
    actor = await identity.person(app, "discord", f"1{len(name)}{ord(name[0])}", name, "discord")
    for switch in switches:
        await preferences.switch(app, actor, switch)
    return actor


async def told(app: App) -> list[tuple[str, Notice | None]]:
    """What is due, by whom it is for."""
    claimed = await announce.claim(app, notices.TOPICS, 10, 60)
    names = await _names(app)
    return [
        (names[item.payload["user_id"]], await notices.read(app, item, "discord"))
        for item in claimed
    ]


async def _names(app: App) -> dict[int, str]:
    async with app.database.read() as connection:
        return {row.id: row.name for row in await connection.execute(text("SELECT * FROM users"))}


async def run(app: App, query: str, **values: Any) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(text(query), values)


async def test_those_who_are_passed_hear_of_it_if_they_asked_to(app: App) -> None:
    ada, bob = await wants(app, "ada", "overtaken"), await wants(app, "bob", "overtaken")
    eve, kay = await wants(app, "eve"), await wants(app, "kay", "overtaken")
    for actor, ns in ((bob, 10_000), (ada, 30_000), (eve, 40_000), (kay, 50_000)):
        await ranked(app, actor, ns)
    assert await told(app) == []

    await ranked(app, eve, 20_000, OTHER)

    ((name, notice),) = await told(app)
    assert name == "ada"
    assert notice is not None
    assert notice.own is not None
    assert notice.ahead is not None
    assert (notice.own.rank, notice.ahead.entry.user_name) == (3, "eve")


async def test_a_time_that_cannot_be_told_apart_passes_nobody(app: App) -> None:
    await ranked(app, await wants(app, "ada", "overtaken"), 30_000)

    await ranked(app, await wants(app, "eve"), 29_999)

    assert await told(app) == []


async def test_many_who_pass_within_an_hour_are_one_notice(app: App) -> None:
    await ranked(app, await wants(app, "ada", "overtaken"), 30_000)

    for name, ns in (("bob", 20_000), ("eve", 10_000)):
        await ranked(app, await wants(app, name), ns)

    assert len(await told(app)) == 1


async def freeze(app: App) -> None:
    await run(
        app, "UPDATE leaderboards SET frozen_from = now(), frozen_until = now() + interval '1 hour'"
    )


async def test_a_freeze_tells_nobody_that_they_were_passed(app: App) -> None:
    await ranked(app, await wants(app, "ada", "overtaken"), 30_000)
    await freeze(app)

    await ranked(app, await wants(app, "eve"), 10_000)

    assert await told(app) == []


async def test_a_freeze_that_begins_before_the_notice_is_told_keeps_it(app: App) -> None:
    await ranked(app, await wants(app, "ada", "overtaken"), 30_000)
    await ranked(app, await wants(app, "eve"), 10_000)

    await freeze(app)

    assert await told(app) == [("ada", None)]


async def test_who_does_not_want_it_any_more_is_not_told(app: App) -> None:
    ada = await wants(app, "ada", "overtaken")
    await ranked(app, ada, 30_000)
    await ranked(app, await wants(app, "eve"), 10_000)

    await preferences.switch(app, ada, "overtaken")

    assert await told(app) == [("ada", None)]


async def closes_in(app: App, hours: float) -> None:
    query = "UPDATE leaderboards SET closes_at = now() + make_interval(mins => :minutes)"
    await run(app, query + " WHERE name = 'vectoradd'", minutes=round(60 * hours))


async def test_a_deadline_is_told_a_day_before_and_an_hour_before_to_those_who_take_part(
    app: App,
) -> None:
    await submitted(app, await wants(app, "ada", "deadlines"))
    await submitted(app, await wants(app, "eve"))
    await wants(app, "kay", "deadlines")  # has sent nothing
    await closes_in(app, 25)
    assert await notices.plan_deadlines(app) == 0

    await closes_in(app, 23)
    assert [await notices.plan_deadlines(app) for _ in range(2)] == [1, 0]
    ((name, notice),) = await told(app)
    assert name == "ada"
    assert notice is not None
    assert notice.closes_at is not None

    await closes_in(app, 0.5)
    assert [await notices.plan_deadlines(app) for _ in range(2)] == [1, 0]


async def test_a_deadline_that_has_passed_is_not_told(app: App) -> None:
    await submitted(app, await wants(app, "ada", "deadlines"))
    await closes_in(app, 0.5)
    await notices.plan_deadlines(app)
    query = "UPDATE outbox SET payload = jsonb_set(payload, '{closes_at}', '1')"
    await run(app, query + " WHERE topic = 'deadline'")

    assert await told(app) == [("ada", None)]
