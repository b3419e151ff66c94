"""What people get from commands and buttons: discord.py for real, Discord simulated in the process."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from simcord.builders import ChannelHandle
from sqlalchemy import text

from kernelbot.bot import board_posts, messages
from kernelbot.bot.client import Bot
from kernelbot.domain.competition import Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import (
    canaries,
    cards,
    dispatch,
    identity,
    invitations,
    machines,
    moderation,
)
from tests import factories
from tests.bot.scene import FILE, Scene, labels, words
from tests.conftest import ADMIN_TOKEN
from tests.services import contest


def turns(message: Any) -> list[str]:
    """The buttons that turn pages."""
    found = [item["label"] for row in message.components for item in row["components"]]
    return [label for label in found if label in ("◀ Back", "Next ▶")]


# --- /submit -------------------------------------------------------------------------------------


async def test_a_submission_is_answered_to_its_sender_alone_with_place_and_link(
    scene: Scene,
) -> None:
    result = await scene.submit()

    assert result.ephemeral
    assert "**#1** accepted: kernel.py for vectoradd, test." in result.response.content
    assert "next in line" in result.response.content
    assert "https://discord.com/channels/" in result.response.content


async def test_somebody_is_called_the_same_in_every_server_whatever_it_calls_them(
    scene: Scene,
) -> None:
    other = scene.env.create_guild("Another")
    there = other.create_text_channel("there")
    user = scene.env.create_user("grace.h", global_name="Grace")
    here = scene.guild.add_member(user, nick="a cheat")
    away = other.add_member(user, nick="admiral")

    for member, channel in ((here, scene.channel), (away, there)):
        shown = await member.slash(channel, "me")
        assert shown.response.embeds[0].title == "Grace"


async def test_the_command_is_acknowledged_before_anything_else_happens(scene: Scene) -> None:
    before = len(scene.env.http_requests)

    await scene.submit()

    first = scene.env.http_requests[before]
    assert first.path.endswith("/callback")
    assert first.json["type"] == 5


async def test_two_submissions_share_one_thread_that_only_their_author_is_in(scene: Scene) -> None:
    await scene.submit()
    await scene.submit(mode="benchmark")

    (thread,) = scene.channel.threads
    assert thread.name == "ada · getting-started"
    assert [words(message).split(" ")[0].strip() for message in scene.in_threads()] == ["#1", "#2"]


async def test_the_leaderboard_and_gpu_may_stand_in_the_file(scene: Scene) -> None:
    code = b"#!kernelbot leaderboard vectoradd\n#!kernelbot gpu CPU\n" + factories.CODE

    result = await scene.slash("submit", file=("kernel.py", code))

    assert "accepted: kernel.py for vectoradd, test" in result.response.content


async def test_a_submission_from_a_direct_message_gets_its_card_there(scene: Scene) -> None:
    grace = scene.env.create_user("grace")

    result = await grace.slash("submit", file=FILE, leaderboard="vectoradd", gpu="CPU", mode="test")

    assert "https://discord.com/channels/@me/" in result.response.content


REFUSED = {
    "an unknown leaderboard": ({"leaderboard": "vectorad"}, "Did you mean 'vectoradd'?"),
    "an unknown gpu": ({"gpu": "B9000"}, "B9000"),
    "an empty file": ({"file": ("kernel.py", b"")}, "empty"),
    "bytes that are not text": ({"file": ("kernel.py", b"\xff\xfe\x00")}, "UTF-8"),
    "a foreign ending": ({"file": ("kernel.exe", factories.CODE)}, ".py"),
    "a file that is too large": (
        {"file": ("kernel.py", b"#" * 1_000_001)},
        "1,000,001 bytes; the limit is 1,000,000",
    ),
    "directives that contradict the command": (
        {"file": ("kernel.py", b"#!kernelbot gpu H100\n" + factories.CODE)},
        "H100",
    ),
}


@pytest.mark.parametrize(("options", "said"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_says_what_is_wrong_and_stores_nothing(
    scene: Scene, options: dict[str, Any], said: str
) -> None:
    result = await scene.submit(**options)
    listed = await scene.slash("submissions")

    assert result.ephemeral
    assert said in result.response.content.replace("\\", "")
    assert "id `" not in result.response.content
    assert "not submitted anything" in listed.response.content


async def test_a_file_that_names_another_board_goes_to_the_one_that_was_chosen(
    scene: Scene,
) -> None:
    result = await scene.submit(
        file=("kernel.py", b"#!kernelbot leaderboard matmul\n" + factories.CODE)
    )

    assert "accepted: kernel.py for vectoradd, test" in result.response.content
    assert "you named 'vectoradd'" in result.response.content


async def test_a_file_that_is_too_large_is_not_downloaded(scene: Scene) -> None:
    await scene.submit(file=("kernel.py", b"#" * 1_000_001))

    assert not [call for call in scene.env.http_requests if "attachments" in call.path]


async def test_a_banned_person_is_told_until_when_and_why(scene: Scene) -> None:
    actor = await scene.own()
    admin = await identity.authenticate(scene.app, ADMIN_TOKEN, "api")
    until = datetime.now(UTC) + timedelta(days=3)
    await moderation.ban(scene.app, admin, f"#{actor.user_id}", until, "two accounts")

    result = await scene.submit()

    assert "two accounts" in result.response.content


async def test_a_failure_of_ours_is_an_apology_with_the_id_that_is_in_the_log(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.app.cache["boards"] = "broken"
    scene.faults = 1

    result = await scene.slash("leaderboard", leaderboard="vectoradd")

    assert result.ephemeral
    incident = re.search(r"`([0-9a-f]{8})`", result.response.content)
    assert incident is not None
    assert incident[1] in capsys.readouterr().out


async def test_a_failing_acknowledgement_does_not_lose_the_submission(scene: Scene) -> None:
    scene.env.inject_error("PATCH", "/webhooks/*", status=403, times=None)

    await scene.submit()

    assert "next in line" in words(scene.in_threads()[0])


async def test_what_was_accepted_is_told_as_accepted_whatever_breaks_after_it(scene: Scene) -> None:
    no_thread = (scene.guild.id, "getting-started", scene.channel.id)
    await cards.remember_thread(scene.app, (await scene.own()).user_id, *no_thread)

    result = await scene.submit()

    assert "**#1** accepted" in result.response.content
    assert "the result comes as soon as it does" in result.response.content
    assert result.followups == []


async def test_a_thread_that_cannot_be_made_becomes_a_direct_message(scene: Scene) -> None:
    scene.env.inject_error("POST", "/channels/*/threads", status=403, code=50013)

    result = await scene.submit()

    assert "https://discord.com/channels/@me/" in result.response.content


def public_thread(scene: Scene, parent: Any) -> Any:
    made = scene.env.backend.create_thread(parent.id, "talk", owner_id=scene.ada.id)
    return ChannelHandle(scene.env, scene.guild, made)


async def forum_post(scene: Scene) -> Any:
    forum = scene.guild.create_forum_channel("problems")
    await scene.env.settle()
    return public_thread(scene, forum)


async def announcements(scene: Scene) -> Any:
    return scene.guild.create_news_channel("news")


async def voice(scene: Scene) -> Any:
    return scene.guild.create_voice_channel("lounge")


WITHOUT_THREADS = {
    "a forum post": (forum_post, "A forum has no private threads"),
    "an announcement channel": (announcements, "A channel for announcements has no private"),
    "a voice channel": (voice, "A voice channel has no threads"),
}


@pytest.mark.parametrize(("place", "why"), WITHOUT_THREADS.values(), ids=WITHOUT_THREADS)
async def test_where_there_are_no_private_threads_it_is_said_why_and_where_the_card_is(
    scene: Scene, place: Callable[[Scene], Awaitable[Any]], why: str
) -> None:
    channel = await place(scene)
    first = await scene.ada.slash(channel, "submit", file=FILE, leaderboard="vectoradd", gpu="CPU")
    await scene.submit()
    then = await scene.ada.slash(channel, "submit", file=FILE, leaderboard="vectoradd", gpu="CPU")

    assert why in first.response.content
    assert "https://discord.com/channels/@me/" in first.response.content
    (thread,) = scene.channel.threads
    assert f"https://discord.com/channels/{scene.guild.id}/{thread.id}/" in then.response.content
    assert why not in then.response.content


async def test_in_a_thread_of_a_text_channel_a_private_thread_beside_it_is_made(
    scene: Scene,
) -> None:
    talk = public_thread(scene, scene.channel)

    result = await scene.ada.slash(
        talk, "submit", file=FILE, leaderboard="vectoradd", gpu="CPU", mode="test"
    )

    (thread,) = [item for item in scene.channel.threads if item.id != talk.id]
    assert f"/{scene.guild.id}/{thread.id}/" in result.response.content


async def test_a_card_tells_of_a_device_that_is_out_as_long_as_its_run_waits_there(
    scene: Scene,
) -> None:
    unit = canaries.Offered(id="CPU-1", kind="cpu", name="A processor", gpus=("CPU",))
    admin = await scene.organizer()
    await canaries.register(scene.app, None, "rack-7", [unit])
    (device,) = await machines.listed(scene.app, admin)
    await machines.quarantine(scene.app, admin, device.id, "It smells.")

    told = await scene.submit()
    other = await scene.submit(gpu="H100")
    first, second = scene.in_threads()

    out = "⚠ CPU: A processor is out of service"
    assert out in words(told.response)
    assert out in words(first)
    assert out not in words(other.response)
    assert out not in words(second)
    await factories.judge_one(scene.app)
    await scene.bot.cards.refresh(1)
    assert out not in words(scene.in_threads()[0])


async def looked_at(scene: Scene) -> bool:
    """What the loop of the cards does, at the time by which commands go here."""
    with scene.env.time_context():
        return await scene.bot.cards.refresh(1)


async def test_who_can_be_written_to_nowhere_follows_it_where_it_was_asked(scene: Scene) -> None:
    channel = await announcements(scene)
    scene.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, times=None)

    result = await scene.ada.slash(
        channel, "submit", file=FILE, leaderboard="vectoradd", gpu="CPU", mode="test"
    )
    told = result.response.content
    await looked_at(scene)
    card, cancel = words(result.response), labels(result.response)
    await factories.judge_one(scene.app)
    await looked_at(scene)

    assert result.ephemeral
    assert "**#1** accepted" in told
    assert "nor write to you directly, so it goes on here, visible to you alone" in told
    assert "#1 · vectoradd · test · queued" in card
    assert cancel == ["Cancel"]
    assert "#1 on vectoradd: passed." in words(result.response)
    assert "Re-run" in labels(result.response)


async def test_after_the_answer_takes_no_edits_the_result_is_kept_for_submission(
    scene: Scene,
) -> None:
    channel = await announcements(scene)
    scene.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, times=None)
    await scene.ada.slash(channel, "submit", file=FILE, leaderboard="vectoradd", gpu="CPU")
    scene.env.inject_error("PATCH", "/webhooks/*", status=401, code=50027)

    await factories.judge_one(scene.app)
    reached = await looked_at(scene)
    shown = await scene.slash("submission", id=1)

    assert not reached
    assert "#1 on vectoradd: passed." in words(shown.response)


async def test_who_has_left_their_thread_is_in_it_again_for_the_next_submission(
    scene: Scene,
) -> None:
    await scene.submit()
    (thread,) = scene.channel.threads
    scene.env.backend.remove_thread_member(thread.id, scene.ada.id)

    await scene.submit(mode="benchmark")

    assert [item.id for item in scene.channel.threads] == [thread.id]
    assert scene.ada.id in scene.env.backend.get_channel(thread.id).thread_members


async def test_a_result_finds_its_owner_who_has_left_the_thread(scene: Scene) -> None:
    await scene.submit()
    (thread,) = scene.channel.threads
    scene.env.backend.remove_thread_member(thread.id, scene.ada.id)

    held = await factories.judge_one(scene.app)
    await scene.bot.cards.refresh(held.submission_id)

    assert scene.ada.id in scene.env.backend.get_channel(thread.id).thread_members
    assert "passed" in words(scene.in_threads()[-1])


async def test_a_result_goes_to_its_owner_directly_where_the_thread_does_not_take_them(
    scene: Scene,
) -> None:
    await scene.submit()
    scene.env.inject_error("PUT", "/channels/*/thread-members/*", status=403, code=50001)

    held = await factories.judge_one(scene.app)
    await scene.bot.cards.refresh(held.submission_id)

    assert "passed" in words(scene.user.dm_channel.history()[-1])


async def test_cards_and_results_speak_the_language_of_who_submitted_also_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"card.sent": "{file}, abgeschickt {when}", "result.is": "#{id} auf {board}: {state}!"}
    monkeypatch.setitem(messages.CATALOGUES, "en-US", own)
    await scene.submit()
    held = await factories.judge_one(scene.app)

    assert messages.language() == "en"
    await scene.bot.cards.refresh(held.submission_id)

    card, result = map(words, scene.in_threads())
    assert "kernel.py, abgeschickt" in card
    assert "#1 auf vectoradd: passed!" in result


# --- cards and results ---------------------------------------------------------------------------


async def test_a_verdict_is_told_with_cases_times_log_and_what_it_means_for_the_ranking(
    scene: Scene,
) -> None:
    await scene.submit(mode="benchmark")
    await factories.judge_one(scene.app, factories.make_verdict(ns=22_400))

    await scene.bot.cards.refresh(1)

    card, result = scene.in_threads()
    assert "passed" in words(card)
    assert result.content == f"<@{scene.ada.id}> #1 on vectoradd: passed."
    assert "ok  check  size: 127" in words(result)
    assert "22.4" in words(result)
    assert "Not ranked: this was a benchmark run." in words(result)
    assert card.components == []


async def test_a_refresh_without_news_edits_nothing_and_a_result_is_sent_once(
    scene: Scene,
) -> None:
    await scene.submit()
    await scene.bot.cards.refresh(1)
    await factories.judge_one(scene.app)
    await scene.bot.cards.refresh(1)
    before = len(scene.env.http_requests)

    await scene.bot.cards.refresh(1)
    await scene.bot.cards.finish(1)

    assert len(scene.env.http_requests) == before
    assert len(scene.in_threads()) == 2


async def test_a_log_is_shown_in_part_and_attached_whole_and_cannot_leave_its_block(
    scene: Scene,
) -> None:
    log = "``` @everyone <@1>\n" + "error: no\n" * 500
    verdict = dataclasses.replace(
        factories.make_verdict(VerdictKind.BUILD_FAILED, message="It does not compile."), log=log
    )
    await scene.submit()
    await factories.judge_one(scene.app, verdict)

    await scene.bot.cards.refresh(1)

    result = scene.in_threads()[-1]
    assert [item.filename for item in result.attachments] == ["log-CPU.txt"]
    assert words(result).count("```") % 2 == 0
    assert not result.mention_everyone
    assert "Build failed: It does not compile." in words(result)


async def test_what_a_ranked_run_printed_is_not_shown(scene: Scene) -> None:
    verdict = dataclasses.replace(
        factories.make_verdict(VerdictKind.CRASHED, message="It fell."), log="the seed is a secret"
    )
    await scene.submit(mode="ranked")
    await factories.judge_one(scene.app, verdict)

    await scene.bot.cards.refresh(1)

    result = scene.in_threads()[-1]
    assert "secret" not in words(result)
    assert result.attachments == []


async def test_cancel_stops_the_submission_and_the_card_says_so(scene: Scene) -> None:
    await scene.submit()
    (card,) = scene.in_threads()

    pressed = await scene.ada.click(card, label="Cancel")
    await scene.bot.cards.refresh(1)

    assert pressed.ephemeral
    assert "#1 is cancelled" in pressed.response.content
    assert "cancelled" in words(scene.in_threads()[0])


async def test_cancel_of_what_has_ended_says_that_it_has(scene: Scene) -> None:
    await scene.submit()
    await factories.judge_one(scene.app)

    result = await scene.slash("cancel", id=1)

    assert "Submission 1 is done already" in result.response.content


async def test_buttons_work_after_a_restart_of_the_bot(scene: Scene) -> None:
    await scene.submit()
    (card,) = scene.in_threads()
    await scene.env.restart_bot(Bot(scene.app))

    pressed = await scene.ada.click(card, label="Cancel")

    assert "#1 is cancelled" in pressed.response.content


async def test_a_result_waits_for_the_place_that_is_being_made_for_its_card(scene: Scene) -> None:
    await factories.submitted(scene.app, await scene.own())
    await factories.judge_one(scene.app)

    with scene.bot.cards.expecting(1), pytest.raises(LookupError):
        await scene.bot.cards.finish(1)
    assert await scene.bot.cards.finish(1)


async def test_where_a_bot_died_before_the_card_the_result_comes_directly(scene: Scene) -> None:
    await factories.submitted(scene.app, await scene.own())
    await factories.judge_one(scene.app)

    assert await scene.bot.cards.finish(1)

    sent = [call for call in scene.env.http_requests if call.path == "/users/@me/channels"]
    assert sent[0].json == {"recipient_id": scene.ada.id}


# --- looking around ------------------------------------------------------------------------------


async def test_a_leaderboard_has_pages_and_always_the_own_row(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_posts, "ROWS", 2)
    for place in range(5):
        actor = await factories.make_actor(scene.app, f"person{place:02}")
        await factories.ranked(scene.app, actor, 10_000 * 1.1**place)
    await factories.ranked(scene.app, await scene.own(), 10_000 * 1.1**6)

    first = await scene.slash("leaderboard", leaderboard="vectoradd", gpu="CPU")
    assert first.ephemeral
    assert turns(first.response) == ["Next ▶"]
    assert "person00" in words(first.response)
    assert "person02" not in words(first.response)
    assert "1st: person00" in first.response.attachments[0].description
    assert first.response.embeds[0].image.url
    assert re.search(r"> *6 +ada", words(first.response))

    await scene.ada.click(first.response, label="Next ▶")
    assert "person02" in words(first.response)
    assert len(first.response.attachments) == 1
    assert turns(first.response) == ["◀ Back", "Next ▶"]

    await scene.ada.click(first.response, label="Next ▶")
    assert "Page 3 of 3 · 6 ranked" in words(first.response)
    assert turns(first.response) == ["◀ Back"]


async def test_equal_times_share_a_rank_and_the_page_says_what_that_means(scene: Scene) -> None:
    for name in ("ada", "grace"):
        await factories.ranked(scene.app, await factories.make_actor(scene.app, name), 20_000)

    result = await scene.slash("leaderboard", leaderboard="vectoradd", gpu="CPU")

    assert words(result.response).count("1=") == 2
    assert "cannot be told apart" in words(result.response)


async def test_an_empty_leaderboard_invites(scene: Scene) -> None:
    result = await scene.slash("leaderboard", leaderboard="vectoradd")

    assert "Be the first!" in words(result.response)


async def test_an_unknown_leaderboard_is_named_with_a_suggestion(scene: Scene) -> None:
    result = await scene.slash("leaderboard", leaderboard="vectrad")

    assert "Did you mean 'vectoradd'?" in result.response.content


async def test_a_name_with_markup_pings_nobody_and_breaks_no_table(scene: Scene) -> None:
    evil = await factories.make_actor(scene.app, "```@everyone **x**")
    await factories.ranked(scene.app, evil, 20_000)

    result = await scene.slash("leaderboard", leaderboard="vectoradd", gpu="CPU")

    assert words(result.response).count("```") == 2


async def test_a_problem_comes_with_its_statement_and_files_to_start_from(scene: Scene) -> None:
    result = await scene.slash("problem", name="vectoradd")

    names = [item.filename for item in result.response.attachments]
    assert "vectoradd-triton.py" in names
    assert names[-1] == "vectoradd.zip"
    assert "Benchmarks; the score is the geometric mean of their times: " in words(result.response)
    assert "Leaderboard vectoradd: GPUs: " in words(result.response)
    assert "Languages: " in words(result.response)
    assert "everything else: " in words(result.response)


async def test_the_queue_says_what_waits_and_that_no_worker_is_there(scene: Scene) -> None:
    await scene.submit()

    result = await scene.slash("queue")

    assert "**CPU**: 1 waiting, no worker is connected" in words(result.response)


async def test_the_queue_says_how_many_devices_are_out_of_service(scene: Scene) -> None:
    async with scene.app.database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO devices (device, kind, name, host, gpus, quarantined_at) VALUES "
                "('a', 'cpu', 'x', 'h', '{CPU}', now()), ('b', 'cpu', 'x', 'h', '{CPU}', NULL)"
            )
        )

    result = await scene.slash("queue")

    assert "**CPU**: 0 waiting, no worker is connected, devices out of service: 1" in words(
        result.response
    )


async def test_the_queue_says_how_long_one_would_wait_oneself(scene: Scene) -> None:
    await dispatch.heartbeat(scene.app, uuid.uuid4(), "host", {"CPU": 2}, {}, "0" * 64, {})
    await scene.submit()

    result = await scene.slash("queue")

    assert re.search(
        r"\*\*CPU\*\*: .* A benchmark of yours now: .* in line, starts", words(result.response)
    )


async def test_help_names_the_commands(scene: Scene) -> None:
    result = await scene.slash("help")

    assert "/submit" in words(result.response)


async def test_own_submissions_are_listed_newest_first(scene: Scene) -> None:
    await scene.submit()
    await scene.submit(mode="benchmark")

    result = await scene.slash("submissions")

    assert words(result.response).index("#2") < words(result.response).index("#1")


async def test_a_submission_is_shown_with_its_code_to_its_owner_only(scene: Scene) -> None:
    eve = scene.guild.add_member(scene.env.create_user("eve"))
    await scene.submit()
    await factories.judge_one(scene.app)

    own = await scene.slash("submission", id=1)
    foreign = await eve.slash(scene.channel, "submission", id=1)

    assert [item.filename for item in own.response.attachments] == ["kernel.py"]
    assert "You have no submission 1" in foreign.response.content


# --- completion ----------------------------------------------------------------------------------


async def test_leaderboards_are_completed_without_asking_the_database(scene: Scene) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.app.database, "engine", None)  # whoever asks it now fails
        patch.setattr(scene.app.database, "_reading", None)

        assert await scene.typed("submit", "leaderboard", "vec") == ["vectoradd"]
        assert "matmul" in await scene.typed("leaderboard", "leaderboard", "")
        assert await scene.typed("problem", "name", "HISTO") == ["histogram"]


async def test_gpus_are_those_of_the_chosen_leaderboard(scene: Scene) -> None:
    assert "CPU" in await scene.typed("submit", "gpu", "cp", leaderboard="vectoradd")
    assert await scene.typed("submit", "gpu", "nothing like it", leaderboard="vectoradd") == []


async def test_where_one_gpu_is_asked_for_one_is_completed(scene: Scene) -> None:
    assert await scene.typed("leaderboard", "gpu", "cp", leaderboard="vectoradd") == ["CPU"]
    assert await scene.typed("leaderboard", "gpu", "CPU, ", leaderboard="vectoradd") == []


async def test_what_may_be_cancelled_is_completed(scene: Scene) -> None:
    await scene.submit()

    assert await scene.typed("cancel", "id", "") == [1]
    assert await scene.typed("submit", "gpu", "T4, H1", leaderboard="vectoradd") == ["T4, H100"]
    assert "T4, T4" not in await scene.typed("submit", "gpu", "T4,", leaderboard="vectoradd")


async def test_a_submission_to_several_gpus_is_one_card_with_a_line_for_each(scene: Scene) -> None:
    result = await scene.submit(gpu="CPU, T4")

    assert "CPU: next in line" in result.response.content
    assert "T4: next in line" in result.response.content
    assert [field.name for field in scene.in_threads()[0].embeds[0].fields] == ["CPU", "T4"]


# --- registration --------------------------------------------------------------------------------


async def test_commands_are_registered_when_they_changed_and_only_then(scene: Scene) -> None:
    assert await scene.bot.sync() is False

    scene.bot.tree.remove_command("help")
    assert await scene.bot.sync() is True


async def test_commands_are_called_in_other_languages_as_the_catalogue_says(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(messages.COMMANDS, "de", {"Who is fastest": "Wer am schnellsten ist"})

    assert await scene.bot.sync() is True
    assert await scene.bot.sync() is False

    put = [call for call in scene.env.http_requests if call.method == "PUT"][-1]
    (board,) = [command for command in put.json if command["name"] == "leaderboard"]
    assert board["description_localizations"] == {"de": "Wer am schnellsten ist"}


# --- competitions ----------------------------------------------------------------------------------


async def test_a_code_lets_one_in_and_the_standings_across_problems_are_shown(
    scene: Scene, shelf: Path
) -> None:
    await contest.published(
        scene.app,
        shelf,
        contest.contest(
            contest.board(points=100, freeze=contest.frozen()),
            title="A *closed* class",
            visibility=Visibility.INVITE,
            scoring=CompetitionScoring(),
        ),
    )
    admin = await identity.authenticate(scene.app, ADMIN_TOKEN, "api")
    made = await invitations.create(scene.app, admin, "getting-started", None, None)

    refused = await scene.slash("standings", competition="getting-started")
    wrong = await scene.slash("join", competition="getting-started", code="wrong")
    joined = await scene.slash("join", competition="getting-started", code=made.code)
    await factories.ranked(scene.app, await scene.own(), 1e6)
    shown = await scene.slash("standings", competition="getting-started")
    board = await scene.slash("leaderboard", leaderboard="vectoradd")
    sent = await scene.submit()

    assert "https://discord.com/channels/@me/" in sent.response.content  # which no one else reads
    assert "There is no competition" in words(refused.response)
    await scene.typed("submit", "leaderboard", "vec")
    for task in list(scene.bot.index._looking):
        await task
    assert await scene.typed("submit", "leaderboard", "vec") == ["vectoradd"]
    assert "this code" in words(wrong.response)
    assert joined.ephemeral
    assert r"You are in **A \*closed\* class**" in words(joined.response)
    assert re.search(r">   1  ada +100\b", words(shown.response))
    assert "Frozen: what others reach is shown" in words(shown.response)
    assert "Frozen: what others reach is shown" in words(board.response)
