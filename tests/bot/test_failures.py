"""Whatever fails, a person is told what, that it was not them, what to do next, and an id."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
from structlog.testing import capture_logs

from kernelbot.bot import errors, paste
from kernelbot.bot.client import Bot
from kernelbot.errors import Unavailable
from kernelbot.services import logins
from tests.bot import admin_story
from tests.bot.scene import FILE, Scene, labels, words
from tests.services.test_turns import rows

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
    "admin fleet": {},  # all of the group come in by one door, and are walked below
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


# --- /admin --------------------------------------------------------------------------------------

SECRET = "postgresql://kernelbot:hunter2@database"
WALKED = 12
"""Accesses to the database of one command, at most."""
TWICE = {
    "invite create",  # a code that nobody was shown lets nobody in; the next is another
    "first",  # what is first already is so again
}


def test_every_command_of_the_administrators_is_walked(simcord_bot: Bot) -> None:
    (group,) = [item for item in simcord_bot.tree.get_commands() if item.name == "admin"]
    assert isinstance(group, discord.app_commands.Group)
    inner = [item for item in group.walk_commands() if not hasattr(item, "walk_commands")]

    assert {item.qualified_name for item in inner} == {
        f"admin {name}" for name in admin_story.COMMANDS
    }


@dataclass
class Breaking:
    """A database at one of whose accesses something breaks that nobody has foreseen."""

    left: int = -1  # accesses before that one
    commits: bool = True  # what was done at that access
    broke: bool = False

    def arm(self, access: int, *, commits: bool) -> None:
        self.left, self.commits, self.broke = access, commits, False

    def way(self, access: Callable[[Any], AbstractAsyncContextManager[Any]]) -> Any:
        @asynccontextmanager
        async def accessed(database: Any) -> AsyncIterator[Any]:
            async with access(database) as connection:
                yield connection
                self._pass(committed=False)
            self._pass(committed=True)

        return accessed

    def _pass(self, *, committed: bool) -> None:
        if committed is self.commits:
            self.left -= 1
            if self.left == -1:
                self.broke = True
                raise LookupError(SECRET)


def said(*messages: Any) -> str:
    """The one message that tells something."""
    (text,) = filter(None, map(words, messages))
    assert SECRET not in text
    return text


def is_our_fault(text: str) -> bool:
    return bool(
        re.fullmatch(r"Something broke on our side.*safe to try again.*`[0-9a-f]{8}`", text)
    )


def provoked(scene: Scene, kind: type[Exception]) -> int:
    return sum(isinstance(errors.cause_of(error), kind) for error in scene.env.errors)


async def audited(scene: Scene) -> int:
    return int((await rows(scene.app, "SELECT count(*) FROM audit_log"))[0][0])


async def asked_while_it_breaks(scene: Scene, breaking: Breaking, command: str) -> Any:
    """The command again and again, each time with a failure one access later; the first answer without one."""
    for access in range(WALKED):
        breaking.arm(access, commits=True)
        result = await admin_story.sent(scene, command)
        told = said(result.response, *result.followups)
        assert result.ephemeral
        if not breaking.broke:
            breaking.arm(-1, commits=True)
            return result
        assert is_our_fault(told), (command, access, told)
    raise AssertionError(f"{command} asks the database without an end")


async def confirmed_while_it_breaks(scene: Scene, breaking: Breaking, asked: Any) -> None:
    for access in range(WALKED):
        breaking.arm(access, commits=False)
        pressed = await scene.ada.click(asked, label="Confirm")
        if "Confirm" not in labels(asked):
            breaking.arm(-1, commits=True)
            return
        told = said(*pressed.followups)
        assert is_our_fault(told), (words(asked), access, told)
    raise AssertionError(f"it is not done: {words(asked)}")


async def test_whatever_breaks_administrators_are_told_once_and_what_they_do_is_done_once(
    scene: Scene, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin_story.begin(scene, shelf)
    breaking = Breaking()
    for way in ("read", "transaction"):
        kind = type(scene.app.database)
        monkeypatch.setattr(kind, way, breaking.way(getattr(kind, way)))

    with capture_logs() as logged:
        for command in admin_story.COMMANDS:
            before = await audited(scene)
            result = await asked_while_it_breaks(scene, breaking, command)
            if command in admin_story.ASKING:
                assert await audited(scene) == before, command
                await confirmed_while_it_breaks(scene, breaking, result.response)
            done = await audited(scene) - before
            if command in TWICE:
                assert done == 2, command
            elif command in admin_story.ASKING | admin_story.AT_ONCE:
                assert done == 1, command
            else:
                assert done == 0, command
                assert "-# " not in words(result.response), command

    failures = [item for item in logged if item["event"] == "a command failed"]
    assert len(failures) > 2 * len(admin_story.COMMANDS)
    assert all(SECRET in str(item["exc_info"]) and item["incident"] for item in failures)
    scene.faults = provoked(scene, LookupError)


async def test_an_answer_that_discord_refuses_is_told_to_administrators_beside_it(
    scene: Scene, shelf: Path
) -> None:
    await admin_story.begin(scene, shelf)

    def refuse() -> None:
        scene.env.inject_error("*", "/webhooks/*", status=400, code=50035)

    with capture_logs():
        for command in admin_story.COMMANDS:
            before = await audited(scene)
            refuse()
            result = await admin_story.sent(scene, command)
            told = said(result.response, *result.followups)
            assert result.ephemeral
            # What is done is not told as a failure; once more judged again, it would be as it is.
            done = command in admin_story.AT_ONCE - {"rejudge"}
            assert is_our_fault(told) is not done, (command, told)
            if not done:
                result = await admin_story.sent(scene, command)
            if command in admin_story.ASKING:
                refuse()
                pressed = await scene.ada.click(result.response, label="Confirm")
                assert not is_our_fault(said(*pressed.followups)), command
            changes = command in admin_story.ASKING | admin_story.AT_ONCE
            assert await audited(scene) - before == changes, command

    scene.faults = provoked(scene, discord.HTTPException)
