"""The buttons under a result, and what a result says besides its times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest
from sqlalchemy import text

from kernelbot.bot import messages
from kernelbot.bot.client import Bot
from kernelbot.judge.protocol import VerdictKind
from tests import factories
from tests.bot.scene import Scene, labels, words
from tests.services import contest

FASTER = factories.CODE + b"# faster\n"


def shares(channel: Any) -> list[discord.Message]:
    return [message for message in channel.history() if "shares #" in words(message)]


async def test_a_result_offers_what_comes_next(scene: Scene) -> None:
    test = await scene.judged("test")
    ranked = await scene.judged("ranked")
    await scene.submit(mode="ranked")
    held = await factories.judge_one(scene.app, factories.make_verdict(VerdictKind.CRASHED))
    await scene.bot.cards.refresh(held.submission_id)
    crashed = scene.in_threads()[-1]

    assert labels(test) == ["Re-run", "Run ranked", "Profile", "Diff to my best", "Share"]
    assert labels(ranked) == ["Re-run", "Profile", "Diff to my best", "Share"]
    assert labels(crashed) == ["Re-run", "Diff to my best"]


async def test_the_same_code_is_sent_again_in_the_mode_of_the_button_after_a_restart(
    scene: Scene,
) -> None:
    result = await scene.judged("test")
    await scene.env.restart_bot(Bot(scene.app))

    ranked = await scene.ada.click(result, label="Run ranked")
    again = await scene.ada.click(result, label="Re-run")
    profile = await scene.ada.click(result, label="Profile")

    assert ranked.ephemeral
    assert "**#2** accepted: kernel.py for vectoradd, ranked." in ranked.response.content
    assert "**#3** accepted: kernel.py for vectoradd, test." in again.response.content
    assert "**#4** accepted: kernel.py for vectoradd, profile." in profile.response.content
    assert "#2" in words(scene.in_threads()[2])


async def test_a_refusal_of_a_button_is_told_like_that_of_a_command(scene: Scene) -> None:
    result = await scene.judged("test")
    eve = scene.guild.add_member(scene.env.create_user("eve"))
    for thread in scene.channel.threads:
        await eve_joins(scene, thread, eve)

    pressed = await eve.click(result, label="Re-run")

    assert "You have no submission 1" in pressed.response.content


async def test_nobody_else_can_press_cancel(scene: Scene) -> None:
    await scene.submit()
    (card,) = scene.in_threads()
    eve = scene.guild.add_member(scene.env.create_user("eve"))
    for thread in scene.channel.threads:
        await eve_joins(scene, thread, eve)

    hers = await eve.click(card, label="Cancel")
    await scene.ada.click(card, label="Cancel")
    await scene.bot.cards.refresh(1)

    assert hers.ephemeral
    assert "You have no submission 1" in hers.response.content
    assert "cancelled" in words(scene.in_threads()[0])
    assert scene.in_threads()[0].components == []


async def eve_joins(scene: Scene, thread: object, eve: object) -> None:
    """Ada adds a friend to her thread; her submissions stay hers."""
    found = await scene.bot.fetch_channel(thread.id)  # type: ignore[attr-defined]
    await found.add_user(eve)  # type: ignore[union-attr,arg-type]


async def test_a_result_is_held_against_the_own_best_and_the_place_in_front(scene: Scene) -> None:
    await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 20_000)
    await scene.judged("ranked", 50_000)

    better = await scene.judged("ranked", 40_000, file=("kernel.py", FASTER))
    slower = await scene.judged("benchmark", 80_000)
    first = await scene.judged("benchmark", 10_000)
    alike = await scene.judged("benchmark", 40_000)

    assert "20.0 % faster than your best other code, #2 (50.0" in words(better)
    assert "100.0 % (20.0 µs) behind 1st place." in words(better)
    assert "100.0 % slower than your best code, #3 (40.0" in words(slower)
    assert "If it counted, it would be 300.0 % (60.0 µs) behind 1st place." in words(slower)
    assert "If it counted, nobody would be in front." in words(first)
    assert "As fast as your best code, #3 (40.0" in words(alike)


async def test_what_changed_since_the_best_is_shown_to_its_owner_alone(scene: Scene) -> None:
    await scene.judged("ranked", 40_000)
    result = await scene.judged("test", file=("kernel.py", FASTER + b"# ``` @everyone\n"))

    pressed = await scene.ada.click(result, label="Diff to my best")

    assert pressed.ephemeral
    assert "From #1 to #2" in words(pressed.response)
    assert "+# faster" in words(pressed.response)
    assert words(pressed.response).count("```") == 2
    assert [item.filename for item in pressed.response.attachments] == ["1-2.diff"]


async def test_without_another_result_there_is_nothing_to_compare_with(scene: Scene) -> None:
    result = await scene.judged("test")

    pressed = await scene.ada.click(result, label="Diff to my best")

    assert "You have no other ranked result on vectoradd" in pressed.response.content


async def test_a_shared_result_is_posted_above_the_thread_without_code_or_log(
    scene: Scene,
) -> None:
    result = await scene.judged("ranked", 40_000)

    pressed = await scene.ada.click(result, label="Share")

    (post,) = shares(scene.channel)
    assert post.jump_url in pressed.response.content
    assert "**ada** shares #1 on vectoradd." in words(post)
    assert "Passed: 40.0 µs" in words(post)
    assert "Ranked 1st of 1" in words(post)
    assert "kernel.py" not in words(post)
    assert "size:" not in words(post)
    assert post.attachments == []


async def test_what_is_shared_speaks_the_language_of_the_server(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"share.text": "**{name}** zeigt #{id} auf {board}."}
    monkeypatch.setitem(messages.CATALOGUES, "de", own)
    scene.env.backend.edit_guild(scene.guild.id, {"preferred_locale": "de"})
    await scene.env.settle()
    result = await scene.judged("ranked")

    pressed = await scene.ada.click(result, label="Share")

    post = scene.channel.history()[-1]
    assert "**ada** zeigt #1 auf vectoradd." in words(post)
    assert "Shown to everybody here" in pressed.response.content


async def test_where_the_bot_may_not_write_sharing_says_so(scene: Scene) -> None:
    result = await scene.judged("ranked")
    path = f"/channels/{scene.channel.id}/messages"
    scene.env.inject_error("POST", path, status=403, code=50013, times=None)

    pressed = await scene.ada.click(result, label="Share")

    assert "I may not write in" in pressed.response.content


async def test_nobody_speaks_through_the_bot_where_they_may_not_speak(scene: Scene) -> None:
    await scene.judged("ranked")
    silent = discord.PermissionOverwrite(send_messages=False)
    announced = scene.guild.create_text_channel("announced", overwrites={scene.ada: silent})
    shown = await scene.ada.slash(announced, "submission", id=1)

    pressed = await scene.ada.click(shown.response, label="Share")

    assert f"You may not write in <#{announced.id}>" in pressed.response.content
    assert shares(announced) == []


async def test_in_a_freeze_nothing_is_shared(scene: Scene, shelf: Path) -> None:
    await contest.published(
        scene.app, shelf, contest.contest(contest.board(freeze=contest.frozen()))
    )
    result = await scene.judged("ranked")

    pressed = await scene.ada.click(result, label="Share")

    assert "vectoradd is frozen until <t:" in pressed.response.content
    assert shares(scene.channel) == []


async def test_of_a_closed_competition_nothing_is_shared(scene: Scene) -> None:
    result = await scene.judged("ranked")
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("UPDATE competitions SET visibility = 'private'"))

    pressed = await scene.ada.click(result, label="Share")

    assert "vectoradd is not for everybody to see" in pressed.response.content
    assert shares(scene.channel) == []


async def test_from_a_direct_message_sharing_says_where_it_can_be_done(scene: Scene) -> None:
    grace = scene.env.create_user("grace")
    await grace.slash("submit", file=("kernel.py", FASTER), leaderboard="vectoradd", gpu="CPU")
    await factories.judge_one(scene.app)
    await scene.bot.cards.refresh(1)
    shown = await grace.slash("submission", id=1)

    pressed = await grace.click(shown.response, label="Share")

    assert "`/submission id:1`" in pressed.response.content
