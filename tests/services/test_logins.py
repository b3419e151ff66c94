"""A command line is let in by the code it shows: once, for a while, by whoever types it."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import ALL_SCOPES, PERSONAL_SCOPES, Actor, Role, Scope
from kernelbot.errors import Conflict, Forbidden, KernelbotError, NotFound
from kernelbot.services import identity, logins
from kernelbot.storage import people
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


async def test_an_administrator_lets_it_in_as_one_for_a_day_and_no_longer_than_they_are_one(
    app: App,
) -> None:
    ada = await make_actor(app)
    asked = await logins.begin(app, "laptop")
    with pytest.raises(Forbidden, match="administrators"):
        await logins.approve(app, ada, asked.code, as_admin=True)
    await _set_role(app, ada, Role.ADMIN)
    root = dataclasses.replace(ada, role=Role.ADMIN, scopes=ALL_SCOPES)

    await logins.approve(app, root, asked.code, as_admin=True)
    made = await logins.collect(app, asked.secret, "cli")

    laptop = await identity.authenticate(app, made.secret or "", "cli")
    laptop.needs(Scope.ADMIN)
    left = (laptop.expires_at or datetime.max) - datetime.now(UTC)
    assert timedelta(hours=23) < left < timedelta(hours=25)
    with pytest.raises(Forbidden, match="'tokens'"):
        await identity.create_token(app, laptop, "for ever", ["admin"], 3650)
    with pytest.raises(Forbidden, match="'tokens'"):
        await identity.renew_token(app, laptop, made.id, 3650)
    await _set_role(app, ada, Role.MEMBER)
    with pytest.raises(Forbidden, match="administrators"):
        (await identity.authenticate(app, made.secret or "", "cli")).needs(Scope.ADMIN)


async def _set_role(app: App, who: Actor, role: Role) -> None:
    async with app.database.transaction() as connection:
        await people.set_role(connection, who.user_id, role.value)


async def test_an_administrator_who_does_not_say_so_lets_it_in_as_anybody(app: App) -> None:
    ada = await make_actor(app)
    await _set_role(app, ada, Role.ADMIN)
    asked = await logins.begin(app, "laptop")

    await logins.approve(app, ada, asked.code)
    made = await logins.collect(app, asked.secret, "cli")

    assert made.scopes == tuple(sorted(PERSONAL_SCOPES))


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


async def test_who_begins_very_many_shuts_nobody_out_who_comes_after(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "MOST_WAITING", 2)
    gone, oldest, waits = [await logins.begin(app, "laptop") for _ in range(3)]
    ada = await make_actor(app)

    with pytest.raises(NotFound):
        await logins.waiting(app, gone.code)
    await logins.approve(app, ada, oldest.code)
    late = await logins.begin(app, "laptop")

    assert await logins.collect(app, oldest.secret, "cli"), "who was let in is let in"
    for asked in (waits, late):
        assert await logins.waiting(app, asked.code)
