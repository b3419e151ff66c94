"""A command line is let in by the code it shows: once, for a while, by whoever types it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.errors import Conflict, KernelbotError, NotFound, RateLimited
from kernelbot.services import identity, logins
from tests.factories import make_actor


async def test_the_token_is_of_who_typed_the_code_and_given_once(app: App) -> None:
    ada = await make_actor(app)
    asked = await logins.begin(app, "laptop")
    with pytest.raises(Conflict, match="Nobody has let this login in yet"):
        await logins.collect(app, asked.secret, "cli")

    assert (await logins.waiting(app, asked.code)).client == "laptop"
    await logins.approve(app, ada, asked.code.lower().replace("-", " "))
    made = await logins.collect(app, asked.secret, "cli")

    assert made.secret is not None
    actor = await identity.authenticate(app, made.secret, "cli")
    assert (actor.user_id, actor.scopes) == (ada.user_id, ada.scopes)
    with pytest.raises(NotFound, match="expired"):
        await logins.collect(app, asked.secret, "cli")


async def test_a_code_that_was_typed_cannot_be_typed_by_another(app: App) -> None:
    asked = await logins.begin(app, "laptop")
    await logins.approve(app, await make_actor(app), asked.code)

    with pytest.raises(NotFound):
        await logins.approve(app, await make_actor(app, "eve"), asked.code)


@pytest.mark.parametrize("code", ["", "BCDF-GHJK", "\0", "ßßßß", "B" * 300])
async def test_a_code_that_nobody_shows_lets_nobody_in(app: App, code: str) -> None:
    with pytest.raises(NotFound, match="No login waits"):
        await logins.waiting(app, code)


async def test_a_login_ends_by_itself(app: App) -> None:
    asked = await logins.begin(app, "laptop")
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE logins SET expires_at = now()"))

    for attempt in (logins.waiting(app, asked.code), logins.collect(app, asked.secret, "cli")):
        with pytest.raises(NotFound):
            await attempt
    await logins.begin(app, "another")
    async with app.database.read() as connection:
        assert (await connection.execute(text("SELECT client FROM logins"))).scalars().all() == [
            "another"
        ]


async def test_two_who_ask_at_once_get_one_token(app: App) -> None:
    asked = await logins.begin(app, "laptop")
    await logins.approve(app, await make_actor(app), asked.code)

    async def collected() -> bool:
        try:
            return bool(await logins.collect(app, asked.secret, "cli"))
        except KernelbotError:
            return False

    assert sum(await asyncio.gather(*(collected() for _ in range(4)))) == 1


async def test_no_more_wait_than_there_is_room_for(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "MOST_WAITING", 1)
    await logins.begin(app, "first")

    with pytest.raises(RateLimited):
        await logins.begin(app, "second")
