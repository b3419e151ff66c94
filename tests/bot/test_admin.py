"""Who gets past the desk, and being asked before anything is done."""

from __future__ import annotations

import asyncio
import contextlib
from unittest.mock import AsyncMock

import discord as library
import pytest

from kernelbot.app import App
from kernelbot.bot.admin import confirm
from kernelbot.bot.client import Bot
from kernelbot.services import identity, moderation, pending, standings
from tests import factories
from tests.bot import admin_story
from tests.bot.conftest import BotProcess
from tests.bot.scene import Scene, labels, words
from tests.fakes.discord import LoopbackDiscord
from tests.services.test_turns import rows

WHOLE_COMMAND = 8000
"""Characters that Discord takes in the names and descriptions of a command with all of its subcommands."""


async def test_a_member_whom_the_server_lets_see_the_group_is_refused_and_offered_nothing(
    scene: Scene,
) -> None:
    await scene.sees_admin()
    await scene.submit()

    for command in admin_story.COMMANDS:
        told = await admin_story.sent(scene, command)
        assert told.ephemeral
        assert words(told.response).startswith("This is for administrators."), command
    for option in ("person", "target"):
        command = "admin person" if option == "person" else "admin audit"
        assert await scene.typed(command, option, "a") == []
    assert await scene.typed("admin void", "submission", "1") == []


async def test_what_was_asked_is_done_once_after_a_restart_and_by_nobody_else(
    scene: Scene,
) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")
    assert labels(asked.response) == ["Confirm", "Keep as it is"]

    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(asked.response, label="Confirm")
    assert labels(asked.response) == []
    assert "does not count any more" in words(asked.response)

    line = (await moderation.audit(scene.app, await scene.organizer(), limit=1)).items[0]
    assert (line["action"], line["detail"]["reason"]) == ("submission.void", "It copied.")


@pytest.mark.parametrize("age", ["done", "old", "another's"])
async def test_a_press_that_comes_too_late_or_from_somebody_else_does_nothing(
    scene: Scene, age: str
) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")
    changes = {
        "done": "UPDATE pending_acts SET taken_at = now(), ended_at = now()",
        "old": "UPDATE pending_acts SET created_at = now() - interval '61 minutes'",
        "another's": "UPDATE pending_acts SET user_id = (SELECT id FROM users WHERE name = 'bob')",
    }
    await rows(scene.app, changes[age])

    told = await scene.ada.click(asked.response, label="Confirm")

    expected = {
        "done": "This is decided already.",
        "old": "more than an hour ago",
        "another's": "This was not asked of you.",
    }
    assert expected[age] in told.followups[0].content
    assert labels(asked.response) == []
    assert len((await standings.board(scene.app, None, "vectoradd", "CPU")).standings) == 1


async def test_nobody_confirms_twice_what_is_being_done(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")
    meanwhile: list[str] = []

    async def look(*_: object) -> str:
        meanwhile.extend(labels(asked.response))
        return "Done."

    monkeypatch.setitem(confirm.ACTS, "void", look)
    await scene.ada.click(asked.response, label="Confirm")

    assert meanwhile == ["Working… Look again"]
    assert labels(asked.response) == []


async def test_a_question_whose_bot_died_is_looked_at_again_and_done_after_a_while(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")
    with monkeypatch.context() as dies:
        dies.setattr(confirm, "_done", AsyncMock(side_effect=asyncio.CancelledError))
        with contextlib.suppress(asyncio.CancelledError):
            await scene.ada.click(asked.response, label="Confirm")
    assert labels(asked.response) == ["Working… Look again"]

    told = await scene.ada.click(asked.response, label="Working… Look again")
    assert "This is being done already." in told.followups[0].content
    assert labels(asked.response) == ["Working… Look again"]
    await rows(scene.app, "UPDATE pending_acts SET taken_at = taken_at - interval '121 seconds'")
    await scene.ada.click(asked.response, label="Working… Look again")

    assert "does not count any more" in words(asked.response)
    assert labels(asked.response) == []


async def test_what_was_done_is_never_told_as_a_failure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where its end cannot be written down nor where Discord takes no edit: then it is told beside."""
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    first = await scene.slash("admin void", submission=view.id, reason="It copied.")
    with monkeypatch.context() as broken:
        broken.setattr(pending, "end", AsyncMock(side_effect=OSError))
        told = await scene.ada.click(first.response, label="Confirm")
    assert "does not count any more" in words(first.response)
    assert told.followups == []

    again = await scene.slash("admin ban", person="bob", lasts="7d", reason="x")
    with monkeypatch.context() as broken:
        broken.setattr(
            library.Interaction, "edit_original_response", AsyncMock(side_effect=OSError)
        )
        told = await scene.ada.click(again.response, label="Confirm")
    assert ["may not submit until" in item.content for item in told.followups] == [True]
    assert labels(again.response) == ["Working… Look again"]
    await scene.ada.click(again.response, label="Working… Look again")
    assert "may not submit until" in words(again.response)
    assert labels(again.response) == []


async def test_a_press_whose_acknowledgement_discord_carried_out_and_answered_500_is_gone_on_with(
    discord: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    guild = discord.guild()
    channel, eve = discord.text_channel(guild, "submissions"), discord.person(guild, "eve")
    discord.managers.add(eve)
    own = await identity.person(app, "discord", str(eve.id), "eve", "discord")
    await rows(app, "UPDATE users SET role = 'admin' WHERE id = :id", id=own.user_id)
    view = await factories.ranked(app, await factories.make_actor(app, "bob"), 1e6)
    await process.start()
    sent = await discord.slash(eve, channel, "admin void", submission=view.id, reason="It copied.")
    asked = await discord.answer(sent)
    discord.fail("POST", "/callback", "500-after")

    await discord.press(eve, asked, "Confirm")
    await discord.until(lambda: "does not count any more" in asked.text(), "that it is done")

    setup = await discord.answer(await discord.slash(eve, channel, "setup"))
    discord.fail("POST", "/callback", "500-after")
    await discord.press(eve, setup, "Make a category for me")
    await discord.until(
        lambda: any(item.get("label") == "No category" for item in setup.buttons), "the category"
    )
    # Acknowledging once more is how one finds out that it had been heard.
    discord.violations[:] = [item for item in discord.violations if "40060" not in item]


async def test_keeping_it_changes_nothing_and_ends_the_question(scene: Scene) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")

    await scene.ada.click(asked.response, label="Keep as it is")

    assert words(asked.response) == "Nothing was changed."
    assert labels(asked.response) == []
    assert len((await standings.board(scene.app, None, "vectoradd", "CPU")).standings) == 1


async def test_what_failed_by_a_fault_of_ours_can_be_confirmed_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")
    await rows(scene.app, "ALTER TABLE audit_log RENAME TO gone")

    told = await scene.ada.click(asked.response, label="Confirm")
    assert "broke on our side" in told.followups[0].content
    assert labels(asked.response) == ["Confirm", "Keep as it is"]

    await rows(scene.app, "ALTER TABLE gone RENAME TO audit_log")
    await scene.ada.click(asked.response, label="Confirm")
    assert "does not count any more" in words(asked.response)


async def test_who_is_an_administrator_no_more_confirms_nothing(scene: Scene) -> None:
    await scene.organizer()
    view = await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 1e6)
    asked = await scene.slash("admin void", submission=view.id, reason="It copied.")
    await rows(scene.app, "UPDATE users SET role = 'member' WHERE name = 'ada'")

    told = await scene.ada.click(asked.response, label="Confirm")

    assert told.followups[0].content.startswith(
        "This is for administrators.\n-# not_an_admin · id "
    )
    assert len((await standings.board(scene.app, None, "vectoradd", "CPU")).standings) == 1


async def test_discord_takes_the_group_with_all_that_is_in_it(simcord_bot: Bot) -> None:
    (group,) = [item for item in simcord_bot.tree.get_commands() if item.name == "admin"]

    def size(command: dict[str, object]) -> int:
        own = len(str(command.get("name", ""))) + len(str(command.get("description", "")))
        choices = command.get("choices", ())
        inner = command.get("options", ())
        assert isinstance(choices, list | tuple)
        assert isinstance(inner, list | tuple)
        assert len(inner) <= 25
        own += sum(len(str(item["name"])) + len(str(item["value"])) for item in choices)
        return own + sum(map(size, inner))

    assert size(group.to_dict(simcord_bot.tree)) < WHOLE_COMMAND
