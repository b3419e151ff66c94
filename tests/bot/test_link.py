"""Letting a command line in from Discord."""

from __future__ import annotations

from kernelbot.bot.client import Bot
from kernelbot.services import identity, logins
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


async def test_a_code_that_nobody_shows_is_refused(scene: Scene) -> None:
    shown = await scene.slash("link", code="BCDF-GHJK")

    assert "No login waits with this code" in shown.response.content
