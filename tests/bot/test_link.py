"""Letting a command line in from Discord."""

from __future__ import annotations

from kernelbot.bot.client import Bot
from kernelbot.domain.people import Role, Scope
from kernelbot.services import identity, logins
from kernelbot.storage import people
from tests.bot.scene import Scene, labels


async def test_a_code_is_confirmed_by_a_button_and_lets_the_command_line_in(scene: Scene) -> None:
    asked = await logins.begin(scene.app, "kernelbot on *laptop*")

    shown = await scene.slash("link", code=asked.code)
    assert shown.ephemeral
    assert "**kernelbot on \\*laptop\\*** asked <t:" in shown.response.content
    assert "only if you ran" in shown.response.content
    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(shown.response, label="That was me: let it in")

    assert "It is let in." in shown.response.content
    assert labels(shown.response) == []
    made = await logins.collect(scene.app, asked.secret, "cli")
    assert made.secret is not None
    actor = await identity.authenticate(scene.app, made.secret, "cli")
    assert actor.user_id == (await scene.own()).user_id


async def test_an_administrator_chooses_whether_it_is_let_in_as_one(scene: Scene) -> None:
    root = await scene.organizer()
    asked = await logins.begin(scene.app, "laptop")

    shown = await scene.slash("link", code=asked.code)
    assert labels(shown.response) == [
        "That was me: let it in",
        "Let it in as administrator, for a day",
    ]
    await scene.ada.click(shown.response, label="Let it in as administrator, for a day")

    assert "`kernelbot admin` works there" in shown.response.content
    made = await logins.collect(scene.app, asked.secret, "cli")
    actor = await identity.authenticate(scene.app, made.secret or "", "cli")
    actor.needs(Scope.ADMIN)
    assert actor.user_id == root.user_id


async def test_who_is_an_administrator_no_more_lets_nothing_in_as_one(scene: Scene) -> None:
    root = await scene.organizer()
    asked = await logins.begin(scene.app, "laptop")
    shown = await scene.slash("link", code=asked.code)
    async with scene.app.database.transaction() as connection:
        await people.set_role(connection, root.user_id, Role.MEMBER.value)

    pressed = await scene.ada.click(shown.response, label="Let it in as administrator, for a day")

    assert "This is for administrators" in pressed.followups[-1].content
    assert (await logins.waiting(scene.app, asked.code)).client == "laptop"


async def test_a_code_that_nobody_shows_is_refused(scene: Scene) -> None:
    shown = await scene.slash("link", code="BCDF-GHJK")

    assert "No login waits with this code" in shown.response.content
