"""Roles: who gives them, who keeps them, and that two at once leave somebody in charge."""

from __future__ import annotations

import asyncio

import pytest

from kernelbot.app import App
from kernelbot.domain.people import Actor, Role
from kernelbot.errors import Conflict, Forbidden, InvalidInput, NotFound
from kernelbot.services import identity, moderation, persons
from tests.conftest import ADMIN_TOKEN
from tests.factories import make_actor, submitted
from tests.services.test_moderation import admin
from tests.services.test_turns import rows


async def promoted(app: App, name: str) -> Actor:
    """Another administrator, as a desk or a token knows them."""
    actor = await make_actor(app, name)
    await persons.set_role(app, await admin(app), f"#{actor.user_id}", "admin")
    (row,) = await rows(app, "SELECT role FROM users WHERE id = :id", id=actor.user_id)
    root = await admin(app)
    return Actor(
        user_id=actor.user_id, name=name, channel="api", role=Role(row.role), scopes=root.scopes
    )


async def test_a_role_is_given_once_and_written_down(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)

    first = await persons.set_role(app, root, "ada", "ADMIN")
    again = await persons.set_role(app, root, "ada", "admin")

    assert (first.changed, again.changed) == (True, False)
    (line,) = (await moderation.audit(app, root, target=f"user:{ada.user_id}")).items
    assert (line["action"], line["detail"]) == ("user.role", {"role": "admin"})


async def test_two_who_put_each_other_out_leave_one(app: App) -> None:
    root, ada = await admin(app), await promoted(app, "ada")

    outcomes = await asyncio.gather(
        persons.set_role(app, root, "ada", "member"),
        persons.set_role(app, ada, "admin", "member"),
        return_exceptions=True,
    )

    assert sum(isinstance(item, Conflict) for item in outcomes) == 1
    assert len(await rows(app, "SELECT id FROM users WHERE role = 'admin'")) == 1


async def test_the_last_one_and_oneself_are_not_put_out_by_mistake(app: App) -> None:
    root = await admin(app)
    for act in (persons.set_role, persons.planned_role):
        with pytest.raises(Conflict, match="last administrator"):
            await act(app, root, "admin", "member")
    await promoted(app, "ada")
    with pytest.raises(Conflict, match="your own rights"):
        await persons.set_role(app, root, "admin", "member")
    assert (await persons.planned_role(app, root, "admin", "member")).change.oneself

    await persons.set_role(app, root, "admin", "member", sure=True)
    with pytest.raises(Forbidden):
        await moderation.audit(app, await identity.authenticate(app, ADMIN_TOKEN, "api"))


async def test_a_start_of_the_installation_makes_its_own_administrator_one_again(app: App) -> None:
    await promoted(app, "ada")
    await persons.set_role(app, await admin(app), "admin", "member", sure=True)

    await identity.ensure_admin(app, ADMIN_TOKEN)

    assert (await admin(app)).role is Role.ADMIN


@pytest.mark.parametrize("word", ["discord:1", "<@1>", "<@!1>"])
async def test_people_are_found_by_their_account_at_discord(app: App, word: str) -> None:
    root = await admin(app)
    with pytest.raises(NotFound, match="has not used the bot"):
        await persons.profile(app, root, word)
    ada = await identity.person(app, "discord", "1", "ada", "discord")

    assert (await persons.profile(app, root, word)).user_id == ada.user_id


async def test_a_number_is_nobody_who_calls_themselves_so(app: App) -> None:
    root, impostor = await admin(app), await make_actor(app, "#4242")

    for word in ("#4242", " #4242 "):
        with pytest.raises(NotFound, match="nobody with the number #4242"):
            await persons.profile(app, root, word)
    assert (await persons.profile(app, root, f"#{impostor.user_id}")).name == "#4242"


async def test_a_role_that_there_is_not_is_refused(app: App) -> None:
    with pytest.raises(InvalidInput, match="Choose one of: member, admin"):
        await persons.set_role(app, await admin(app), "admin", "king")


async def test_members_see_nobody_and_give_no_role(app: App) -> None:
    ada = await make_actor(app)
    for attempt in (
        persons.profile(app, ada, "ada"),
        persons.like(app, ada, "a"),
        persons.planned_role(app, ada, "ada", "admin"),
        persons.set_role(app, ada, "ada", "admin"),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_whoever_begins_with_what_was_typed_is_offered_first(app: App) -> None:
    root = await admin(app)
    names = ["barbara", "ara", "Ariel", "100%_"]
    people = [await make_actor(app, name) for name in names]
    await submitted(app, people[0])

    assert [item.name for item in await persons.like(app, root, "ar")] == [
        "ara",
        "Ariel",
        "barbara",
    ]
    assert [item.name for item in await persons.like(app, root, "%_")] == ["100%_"]
    assert await persons.like(app, root, "a\0") == ()
    assert len(await persons.like(app, root, "", 2)) == 2
