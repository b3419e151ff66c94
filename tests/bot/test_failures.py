"""Whatever fails, a person is told what, that it was not them, what to do next, and an id."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import discord
import pytest

from kernelbot.bot import errors, paste
from kernelbot.bot.client import Bot
from kernelbot.errors import Unavailable
from kernelbot.services import logins
from tests.bot.scene import FILE, Scene, labels

COMMANDS: dict[str, dict[str, Any]] = {
    "submit": {"file": FILE, "leaderboard": "vectoradd", "gpu": "CPU"},
    "cancel": {"id": 1},
    "submissions": {},
    "submission": {"id": 1},
    "leaderboard": {"leaderboard": "vectoradd"},
    "standings": {"competition": "getting-started"},
    "problem": {"name": "vectoradd"},
    "queue": {},
    "me": {},
    "link": {"code": "BCDF-GHJK"},
    "join": {"competition": "getting-started", "code": "x"},
    "setup": {},
    "admin fleet": {},  # all of the group come in by one door
}
WITHOUT_DATABASE = {"help", "Submit this code block"}


ANSWERS = ("defer", "send_message", "send_modal", "edit_message")


@dataclass
class Lost:
    """A database that does not answer, and whether people were heard before it was asked."""

    heard: bool = False
    asked_unheard: bool = False

    @asynccontextmanager
    async def asked(self, *_: object) -> AsyncIterator[None]:
        self.asked_unheard |= not self.heard
        raise Unavailable("The database does not answer.")
        yield

    def hearing(self, patch: pytest.MonkeyPatch, answer: str) -> None:
        send = getattr(discord.InteractionResponse, answer)

        async def sent(*args: Any, **options: Any) -> Any:
            done = await send(*args, **options)
            self.heard = True
            return done

        patch.setattr(discord.InteractionResponse, answer, sent)


def lose_the_database(scene: Scene, patch: pytest.MonkeyPatch) -> Lost:
    lost = Lost()
    for answer in ANSWERS:
        lost.hearing(patch, answer)
    for way in ("read", "transaction"):
        patch.setattr(type(scene.app.database), way, lost.asked)
    scene.faults = 1
    return lost


def apologizes(text: str) -> bool:
    return bool(
        re.search(
            r"does not answer right now.*Nothing was lost.*try again.*\(id `[0-9a-f]{8}`\)", text
        )
    )


def test_every_command_is_tried_without_a_database(simcord_bot: Bot) -> None:
    known = {command.name for command in simcord_bot.tree.get_commands()}
    known |= {menu.name for menu in paste.MENUS}

    assert known == {command.split()[0] for command in COMMANDS} | WITHOUT_DATABASE


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_is_acknowledged_first_and_without_a_database_apologizes_with_an_id(
    scene: Scene, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.let_manage()
    lost = lose_the_database(scene, monkeypatch)

    result = await scene.slash(command, **COMMANDS[command])

    assert not lost.asked_unheard
    assert result.ephemeral
    assert apologizes(result.response.content)


async def buttons(scene: Scene) -> list[tuple[Any, str]]:
    """One message with each kind of button, and its label."""
    result = await scene.judged("ranked")
    await scene.submit()
    card = scene.in_threads()[-1]
    board = await scene.slash("leaderboard", leaderboard="vectoradd")
    me = await scene.slash("me")
    asked = await logins.begin(scene.app, "laptop")
    link = await scene.slash("link", code=asked.code)
    scene.let_manage()
    page = await scene.slash("setup")
    return [
        (card, "Cancel"),
        (board.response, labels(board.response)[0]),
        (me.response, labels(me.response)[0]),
        (link.response, "That was me: let it in"),
        (page.response, "Make a category for me"),
        *((result, label) for label in labels(result)),
    ]


def test_whatever_is_pressed_tells_what_fails(simcord_bot: Bot) -> None:
    kinds = set(simcord_bot._connection._view_store._dynamic_items.values())

    assert len(kinds) > 10
    assert [kind for kind in kinds if not hasattr(kind.callback, "__wrapped__")] == []


async def test_every_button_is_acknowledged_first_and_without_a_database_apologizes_with_an_id(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await buttons(scene)
    lost = lose_the_database(scene, monkeypatch)
    scene.faults = 0  # discord.py tells the test of commands only

    for message, label in shown:
        lost.heard = False
        pressed = await scene.ada.click(message, label=label)
        assert not lost.asked_unheard, label
        told = [*pressed.followups, *([pressed.response] if pressed.response else [])]
        assert any(apologizes(item.content or "") for item in told), label


async def test_a_form_is_shown_before_the_database_is_asked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await scene.slash("me")
    lost = lose_the_database(scene, monkeypatch)
    scene.faults = 0

    await scene.ada.click(me.response, label="Quiet hours")

    assert lost.heard
    assert not lost.asked_unheard


async def test_a_refusal_says_what_is_wrong_and_has_an_id_too(scene: Scene) -> None:
    result = await scene.slash("submission", id=812)

    assert re.fullmatch(
        r"You have no submission 812.*\n-# unknown_submission · id [0-9a-f]{8}",
        result.response.content,
    )


def test_a_failure_of_discord_itself_is_not_told_as_one_of_ours() -> None:
    told = errors.words(TimeoutError())

    assert re.search(r"Discord failed.*may have been done: look.*\(id `[0-9a-f]{8}`\)", told)


async def test_a_button_whose_acknowledgement_discord_refuses_breaks_nothing(scene: Scene) -> None:
    result = await scene.judged("test")
    scene.env.inject_error("POST", "/interactions/*", status=404, code=10062)

    await scene.ada.click(result, label="Re-run")
    again = await scene.ada.click(result, label="Re-run")

    assert "**#2** accepted" in again.response.content


async def test_a_form_that_discord_refuses_to_show_is_no_failure_of_ours(scene: Scene) -> None:
    scene.env.inject_error("POST", "/interactions/*", status=404, code=10062)
    scene.faults = 1

    await scene.slash("submit")

    assert "accepted" in (await scene.submit()).response.content
