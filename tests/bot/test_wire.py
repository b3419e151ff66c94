"""The whole bot over the wire: process, gateway, REST, database."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.bot import permissions
from kernelbot.bot.__main__ import end
from kernelbot.bot.cards import EDIT_EVERY_S
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import Event, Stage, VerdictKind
from kernelbot.services import (
    canaries,
    dispatch,
    identity,
    machines,
    moderation,
    preferences,
    quarantine,
    reveal,
)
from tests import factories
from tests.bot.conftest import BotProcess
from tests.conftest import ADMIN_TOKEN
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import (
    CREATE_PRIVATE_THREADS,
    EVERYTHING_WE_ASK,
    SEND_MESSAGES,
    USE_APPLICATION_COMMANDS,
    Channel,
    Message,
    User,
)
from tests.fakes.gate import Gate
from tests.services.contest import HOUR, board, contest, frozen, published

KERNEL = Upload("kernel.py", factories.CODE)


@pytest.fixture
def channel(discord: LoopbackDiscord) -> Channel:
    return discord.text_channel(discord.guild(), "submissions")


@pytest.fixture
def ada(discord: LoopbackDiscord, channel: Channel) -> User:
    assert channel.guild is not None
    return discord.person(channel.guild, "ada", "Ada")


async def eventually(met: Callable[[], Awaitable[bool]], within_s: float = 120.0) -> None:
    """Nothing tells a test what the database holds, so it looks again and again."""
    async with asyncio.timeout(within_s):
        while not await met():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def in_thread(discord: LoopbackDiscord, user: User, words: str) -> Message | None:
    """The message with these words in a private thread of this person."""
    for thread in discord.threads_of(user):
        for message in discord.read(thread, user):
            if words in message.text():
                return message
    return None


async def submit(
    discord: LoopbackDiscord, user: User, channel: Channel, mode: str = "ranked"
) -> None:
    sent = await discord.slash(
        user, channel, "submit", file=KERNEL, leaderboard="vectoradd", gpu="CPU", mode=mode
    )
    await discord.until(
        lambda: sent.original and "Follow it here" in sent.original.text(), "the link to the card"
    )
    assert sent.acknowledged is not None


async def test_a_submission_is_acknowledged_followed_and_its_verdict_brought(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()

    await submit(discord, ada, channel)
    card = await discord.until(lambda: in_thread(discord, ada, "queued"), "a card")
    await factories.judge_one(app, factories.make_verdict(ns=22_400))
    result = await discord.until(lambda: in_thread(discord, ada, "<@"), "the result")

    assert "passed" in card.text()
    assert "22.4" in result.text()
    assert "Ranked 1st of 1" in result.text()
    assert result.pings == set()  # nobody asked for any
    assert card.pings == set()


def podiums(discord: LoopbackDiscord, channel: Channel) -> list[Message]:
    return [message for message in discord.read(channel) if " place with " in message.text()]


def results(discord: LoopbackDiscord, user: User) -> list[Message]:
    """Verdicts that were brought to this person, wherever."""
    return [
        message
        for place in discord.channels.values()
        for message in discord.read(place, user)
        if f"<@{user.id}>" in message.content
    ]


async def until_card(discord: LoopbackDiscord, user: User, words: str) -> Message:
    found = await discord.until(lambda: in_thread(discord, user, words), f"a card with {words!r}")
    assert isinstance(found, Message)
    return found


async def waits(app: App) -> list[tuple[str, str]]:
    """What the outbox still holds, with what went wrong."""
    async with app.database.read() as connection:
        rows = await connection.execute(
            text("SELECT topic, trouble FROM outbox WHERE delivered_at IS NULL ORDER BY id")
        )
        return [(row.topic, row.trouble) for row in rows]


async def hold_ends(app: App) -> None:
    """What a bot that is gone has taken is anybody's again: later by the database's clock."""
    async with app.database.transaction() as connection:
        await connection.execute(
            text("UPDATE outbox SET due_at = now() WHERE delivered_at IS NULL AND due_at > now()")
        )


async def test_the_link_is_printed_without_a_database_for_whoever_has_the_token(
    discord: LoopbackDiscord, environment: dict[str, str]
) -> None:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernelbot.bot", "invite", stdout=asyncio.subprocess.PIPE,
        env=environment | discord.environment() | {"DATABASE_URL": "postgresql://nobody@localhost/none"},
    )  # fmt: skip
    printed, _ = await asked.communicate()

    assert (asked.returncode, printed.decode()) == (0, f"{permissions.invite(discord.bot.id)}\n")
    # These tests run with what the link gives, and with nothing else.
    granted = EVERYTHING_WE_ASK & ~USE_APPLICATION_COMMANDS
    assert permissions.asked_for().value == granted


# --- announcements -------------------------------------------------------------------------------


async def test_a_change_of_the_podium_is_posted_in_every_guild_without_pinging_anybody(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel
) -> None:
    other = discord.text_channel(discord.guild("Another server"), "submissions")
    await process.start()

    await factories.ranked(app, await factories.make_actor(app, "@everyone **Grace**"), 30_000)
    await discord.until(lambda: podiums(discord, channel), "the first podium")
    await factories.ranked(app, await factories.make_actor(app, "ada"), 20_000)
    await discord.until(lambda: len(podiums(discord, channel)) == 2, "the second podium")

    first, second = podiums(discord, channel)
    assert "ada" in second.text()
    assert "1st" in second.text()
    assert "There before: " in second.text()
    assert "@everyone" not in first.text() + second.text()
    await discord.until(lambda: len(podiums(discord, other)) == 2, "both in the other guild")
    assert first.pings == second.pings == set()


async def test_the_end_of_a_freeze_is_posted_once(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, shelf: Path
) -> None:
    await published(app, shelf, contest(board(freeze=frozen())))
    await factories.ranked(app, await factories.make_actor(app, "ada"), 20_000)
    over = frozen(begins=-2 * HOUR, ends=-HOUR)
    await published(app, shelf, contest(board(freeze=over)))

    await reveal.due(app)
    await process.start()

    def posts() -> list[Message]:
        return [item for item in discord.read(channel) if "The freeze of " in item.text()]

    (post,) = await discord.until(posts, "the end of the freeze")
    assert "1st: **ada** with 20.0" in post.text()
    await nothing_waits(app)


async def test_a_device_that_is_out_of_service_is_told_once_and_so_is_its_return(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel
) -> None:
    await process.start()
    root = await identity.authenticate(app, ADMIN_TOKEN, "api")
    unit = canaries.Offered(id="GPU-1", kind="cuda", name="NVIDIA **H200**", gpus=("H200",))
    await canaries.register(app, None, "secret-host", [unit])
    (device,) = await machines.listed(app, root)

    await machines.quarantine(app, root, device.id, "It is hot.")
    await machines.release(app, root, device.id, "It is cold")

    def posts() -> list[Message]:
        return [item for item in discord.read(channel) if "Back in service" in item.text()] + [
            item for item in discord.read(channel) if "Out of service" in item.text()
        ]

    back, out = await discord.until(lambda: len(posts()) == 2 and posts(), "both notices")
    assert "is out of service until it is itself again" in out.text()
    assert "is itself again and back in service" in back.text()
    told = out.text() + back.text()
    assert not any(words in told for words in ("secret-host", "hot", "cold"))
    await nothing_waits(app)


async def test_a_send_that_succeeded_and_was_answered_500_is_not_repeated(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel
) -> None:
    await process.start()
    failure = discord.fail("POST", f"/channels/{channel.id}/messages", "500-after", times=2)

    await factories.ranked(app, await factories.make_actor(app), 20_000)

    async def acknowledged() -> bool:
        return await waits(app) == []

    await eventually(acknowledged)
    assert failure.times == 0
    assert len(podiums(discord, channel)) == 1


async def test_an_announcement_waits_for_its_channel_and_the_operator_is_told_why(
    discord: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    guild = discord.guild()
    await process.start()

    await factories.ranked(app, await factories.make_actor(app), 20_000)

    async def explained() -> bool:
        return any(
            "no guild has a text channel 'submissions'" in why for _, why in await waits(app)
        )

    await eventually(explained)
    channel = discord.text_channel(guild, "submissions")
    await discord.gateway.dispatch("CHANNEL_CREATE", discord.channel_payload(channel))
    await discord.until(lambda: podiums(discord, channel), "the post")


async def test_a_missing_permission_is_named_and_other_guilds_are_told_all_the_same(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel
) -> None:
    shut = discord.text_channel(discord.guild("Shut"), "submissions", denied=SEND_MESSAGES)
    await process.start()

    await factories.ranked(app, await factories.make_actor(app), 20_000)
    await discord.until(lambda: podiums(discord, channel), "the post")

    async def acknowledged() -> bool:
        return await waits(app) == []

    await eventually(acknowledged)
    assert podiums(discord, shut) == []
    assert "the bot lacks Send Messages" in process.log.read_text()


async def test_a_server_that_discord_does_not_reach_hears_of_it_when_it_is_back(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel
) -> None:
    guild = discord.guild("Away")
    other = discord.text_channel(guild, "submissions")
    await process.start()
    await discord.gateway.dispatch("GUILD_DELETE", {"id": str(guild.id), "unavailable": True})

    await factories.ranked(app, await factories.make_actor(app), 20_000)
    await discord.until(lambda: podiums(discord, channel), "the post where it can be")

    async def explained() -> bool:
        return any("does not reach server" in (why or "") for _, why in await waits(app))

    await eventually(explained)
    assert podiums(discord, other) == []
    await discord.gateway.dispatch("GUILD_CREATE", discord.guild_payload(guild))
    await discord.until(lambda: podiums(discord, other), "the post in the other server")
    assert len(podiums(discord, channel)) == 1


async def test_two_bots_by_mistake_answer_bring_and_announce_once(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    twin = BotProcess(discord, process.environment, process.log)
    await twin.launch()
    try:
        await discord.until(lambda: len(discord.gateway.sessions) == 2, "two bots")
        for ns in (30_000, 20_000, 10_000):
            await factories.ranked(app, await factories.make_actor(app), ns)

        async def acknowledged() -> bool:
            return await waits(app) == []

        await eventually(acknowledged)
        assert len(podiums(discord, channel)) == 3

        await submit(discord, ada, channel, "test")
        await factories.judge_one(app)
        await discord.until(lambda: results(discord, ada), "the result")
        await until_card(discord, ada, "passed")
        await eventually(acknowledged)
        (thread,) = discord.threads_of(ada)
        assert len(discord.read(thread, ada)) == 2  # the card and the result
    finally:
        await twin.kill()
    discord.violations[:] = [item for item in discord.violations if "40060" not in item]


async def notified(app: App, user: User) -> None:
    """This person has asked to be notified of results."""
    actor = await identity.person(app, "discord", str(user.id), user.name, "discord")
    await preferences.switch(app, actor, "finished")


# --- decisions about quarantined runs ------------------------------------------------------------


async def set_aside(app: App) -> int:
    """Play a worker that finds the next run's times contradicting each other; the run's id."""
    return (await factories.judge_one(app, factories.make_verdict(VerdictKind.QUARANTINED))).run_id


def decisions(discord: LoopbackDiscord, user: User) -> list[Message]:
    return [item for item in results(discord, user) if "an organizer has decided" in item.text()]


async def nothing_waits(app: App) -> None:
    async def acknowledged() -> bool:
        return await waits(app) == []

    await eventually(acknowledged)


async def root(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def test_a_released_run_is_told_to_its_owner_once_shown_on_its_card_and_announced(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    assert channel.guild is not None
    bob = discord.person(channel.guild, "bob")
    await process.start()
    await submit(discord, bob, channel, "test")
    await factories.judge_one(app)
    passed = await discord.until(lambda: in_thread(discord, bob, "<@"), "Bob's result")
    shared = await discord.answer(await discord.press(bob, passed, "Share"))
    await notified(app, ada)
    await submit(discord, ada, channel)
    card = await until_card(discord, ada, "queued")
    run_id = await set_aside(app)
    await discord.until(lambda: results(discord, ada), "the result")
    await discord.until(lambda: "set aside" in card.text(), "the end on the card")
    assert "an organizer will look" in results(discord, ada)[0].text()
    await nothing_waits(app)
    await process.kill()

    await quarantine.release(app, await root(app), run_id, "A noisy *machine*.")
    await process.start()
    await discord.until(lambda: podiums(discord, channel), "the podium")
    told = await discord.until(lambda: decisions(discord, ada), "the decision")
    await nothing_waits(app)
    await process.stop()
    await process.start()

    assert "an organizer lets it count: A noisy" in told[0].text()
    assert "Ranked 1st of 1" in told[0].text()
    assert told[0].pings == {ada.id}
    assert told[0].channel is card.channel
    assert "passed" in card.text()
    assert "an organizer lets it count" in card.text()
    assert (len(decisions(discord, ada)), len(results(discord, ada))) == (1, 2)
    await submit(discord, ada, channel, "test")
    again = await discord.answer(await discord.press(bob, passed, "Share"))
    assert len(discord.threads_of(ada)) == 1
    assert len([item for item in discord.read(channel) if "shares #1" in item.text()]) == 1
    assert again.text() == shared.text()
    assert discord.command_writes == 1


async def test_a_refused_run_is_told_to_its_owner_where_their_thread_was_deleted(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    await submit(discord, ada, channel)
    run_id = await set_aside(app)
    await discord.until(lambda: results(discord, ada), "the result")
    (thread,) = discord.threads_of(ada)

    thread.deleted = True
    await quarantine.refuse(app, await root(app), run_id, "It replaced the timer.")

    (told,) = await discord.until(lambda: decisions(discord, ada), "the decision")
    assert told.channel is discord.dm(ada)
    assert "Disqualified: It replaced the timer." in told.text()
    assert podiums(discord, channel) == []


async def test_each_decision_about_code_that_counted_is_told_with_its_reason(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    await submit(discord, ada, channel)
    held = await factories.judge_one(app, factories.make_verdict())
    await discord.until(lambda: results(discord, ada), "the result")

    await moderation.void(app, await root(app), held.submission_id, "It *copied*.")
    await discord.until(lambda: decisions(discord, ada), "the void")
    await moderation.restore(app, await root(app), held.submission_id, "It did not.")
    await discord.until(lambda: len(decisions(discord, ada)) == 2, "the restoration")

    void, restored = decisions(discord, ada)
    assert "taken this code off the leaderboard: It" in void.text()
    assert "Not ranked" in void.text()
    assert "back on the leaderboard: It did not." in restored.text()
    assert "Ranked 1st of 1" in restored.text()


# --- cards ---------------------------------------------------------------------------------------


async def test_the_verdict_comes_after_the_interaction_token_has_expired(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    await submit(discord, ada, channel)

    discord.advance(3600)
    await factories.judge_one(app)

    await discord.until(lambda: results(discord, ada), "the result")
    await until_card(discord, ada, "passed")


async def test_a_card_is_edited_rarely_however_much_happens(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    await submit(discord, ada, channel)
    card = await until_card(discord, ada, "queued")

    assignment = await factories.claim_one(app)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for done in range(1, 101):
        event = Event(kind="case", stage=Stage.CHECK, message="", done=done, total=100)
        await dispatch.progress(app, assignment, event)
    await discord.until(lambda: "100 of 100" in card.text(), "the last step on the card")

    assert len(card.edits) <= 3 + (loop.time() - began) / EDIT_EVERY_S


async def test_a_waiting_card_moves_up_when_the_one_ahead_has_ended(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    assert channel.guild is not None
    grace = discord.person(channel.guild, "grace")
    await process.start()
    await submit(discord, ada, channel)
    await submit(discord, grace, channel)
    card = await until_card(discord, grace, "2nd in line")

    await factories.judge_one(app)

    await discord.until(lambda: "next in line" in card.text(), "the card moves up")


async def test_without_permission_for_threads_the_card_goes_to_direct_messages(
    discord: LoopbackDiscord, process: BotProcess, app: App, ada: User
) -> None:
    guild = next(iter(discord.guilds.values()))
    closed = discord.text_channel(guild, "closed", denied=CREATE_PRIVATE_THREADS)
    await process.start()

    await submit(discord, ada, closed)
    await factories.judge_one(app)

    await discord.until(lambda: results(discord, ada), "the result")
    assert results(discord, ada)[0].channel is discord.dm(ada)


async def test_where_nothing_can_be_written_the_answer_goes_on_to_the_result(
    discord: LoopbackDiscord, process: BotProcess, app: App, ada: User
) -> None:
    guild = next(iter(discord.guilds.values()))
    closed = discord.text_channel(guild, "closed", denied=CREATE_PRIVATE_THREADS)
    ada.accepts_dms = False
    await process.start()

    sent = await discord.slash(
        ada, closed, "submit", file=KERNEL, leaderboard="vectoradd", gpu="CPU", mode="test"
    )
    await discord.until(
        lambda: sent.original and "/submission id:" in sent.original.text(), "advice"
    )
    await factories.judge_one(app)

    async def given_up() -> bool:
        return await waits(app) == []

    await eventually(given_up)
    await discord.until(
        lambda: sent.original and "#1 on vectoradd: passed." in sent.original.text(), "the result"
    )
    assert sent.ephemeral
    assert results(discord, ada) == [sent.original]
    assert len([item for item in discord.requests if item.status == 403]) == 1


async def test_a_deleted_thread_moves_the_card_to_direct_messages(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    await submit(discord, ada, channel)
    (thread,) = discord.threads_of(ada)

    thread.deleted = True
    await factories.judge_one(app)

    await discord.until(lambda: results(discord, ada), "the result")
    assert results(discord, ada)[0].channel is discord.dm(ada)


# --- Discord misbehaves --------------------------------------------------------------------------


async def test_rate_limits_and_server_errors_delay_but_lose_nothing(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    discord.fail("POST", "/threads", "500")
    discord.fail("POST", "/messages", "429", times=2)
    discord.fail("PATCH", "/messages", "429", times=2, shared=True)
    discord.fail("PATCH", "/messages", "503", times=1)

    await submit(discord, ada, channel)
    await factories.judge_one(app)

    await discord.until(lambda: results(discord, ada), "the result")
    await until_card(discord, ada, "passed")
    assert len(results(discord, ada)) == 1


async def test_a_dropped_gateway_is_resumed_and_what_was_missed_is_answered(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()

    await discord.gateway.drop()
    sent = await discord.slash(ada, channel, "queue")
    answer = await discord.answer(sent)

    assert "CPU" in answer.text()
    assert discord.gateway.resumed == 1
    assert discord.gateway.identified == 1


async def test_a_session_that_cannot_be_resumed_is_begun_anew(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()

    await discord.gateway.drop(resumable=False)
    await discord.until(lambda: discord.gateway.identified == 2, "a new session")
    answer = await discord.answer(await discord.slash(ada, channel, "queue"))

    assert "CPU" in answer.text()


async def test_an_interaction_that_discord_delivers_twice_counts_once(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User
) -> None:
    await process.start()
    await submit(discord, ada, channel)
    session = next(iter(discord.gateway.sessions.values()))
    again = next(item for item in session.sent if item["t"] == "INTERACTION_CREATE")

    await session.dispatch("INTERACTION_CREATE", again["d"])
    await discord.until(
        lambda: [r for r in discord.requests if "callback" in r.path and r.status == 400],
        "the second acknowledgement is refused",
    )
    discord.violations.clear()  # the refusal above is Discord's own doing here

    answer = await discord.answer(await discord.slash(ada, channel, "submissions"))
    assert answer.text().count("vectoradd") == 1


# --- the database misbehaves ---------------------------------------------------------------------


async def test_a_bot_starts_without_a_database_apologizes_and_works_once_there_is_one(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User,
    database_url: str,
) -> None:  # fmt: skip
    async with Gate(database_url) as gate:
        gate.shut()
        process.environment["DATABASE_URL"] = gate.url
        await process.start()

        sorry = await discord.answer(await discord.slash(ada, channel, "queue"))
        gate.open()
        await submit(discord, ada, channel)

        assert "database does not answer" in sorry.text()
        assert sorry.only_for is ada
        await process.stop()


async def test_a_database_that_goes_away_for_a_while_delays_the_verdict_only(
    discord: LoopbackDiscord, process: BotProcess, app: App, channel: Channel, ada: User,
    database_url: str,
) -> None:  # fmt: skip
    async with Gate(database_url) as gate:
        process.environment["DATABASE_URL"] = gate.url
        await process.start()
        await submit(discord, ada, channel)

        gate.shut()
        await factories.judge_one(app)
        await discord.until(lambda: "wait" in process.log.read_text(), "the bot noticed")
        gate.open()

        await discord.until(lambda: results(discord, ada), "the result")
        await process.stop()
    assert len(results(discord, ada)) == 1


# --- starting and stopping -----------------------------------------------------------------------


async def test_a_token_that_discord_refuses_ends_the_bot_with_a_sentence(
    discord: LoopbackDiscord, process: BotProcess
) -> None:
    process.environment["DISCORD_TOKEN"] = "another"

    await process.launch()

    assert process.process is not None
    assert await process.process.wait() == 2
    assert "does not accept this token" in process.log.read_text()


async def test_a_signal_ends_the_bot_in_order(
    discord: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    await process.start()

    assert await process.stop() == 0


async def test_who_swallows_the_word_to_stop_is_told_again() -> None:
    async def deaf_for_once() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf_for_once())
    await asyncio.sleep(0)

    await end(task)

    assert task.cancelled()
