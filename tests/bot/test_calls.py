"""Whatever a call to Discord ends with: people are told, results are brought once, and the bot lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from discord import Client, Intents
from discord.http import Route
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.bot import delivery, rest
from kernelbot.services import cards, identity, quarantine
from tests import factories
from tests.bot.conftest import BotProcess
from tests.bot.test_wire import (
    KERNEL,
    decisions,
    hold_ends,
    in_thread,
    nothing_waits,
    podiums,
    results,
    root,
    set_aside,
)
from tests.fakes.discord import LoopbackDiscord
from tests.fakes.discord_world import (
    CREATE_PRIVATE_THREADS,
    Channel,
    Guild,
    Interaction,
    Message,
    User,
)

LONG_S = 90.0
"""Of a 429: discord.py does not wait that long."""

AT_ONCE = 6
"""People who wait for an answer: a bot that a busy machine lets work seldom tells the last of forty, who waits ten
seconds for its turn at the database, to come again."""

LONGEST_AWAY_S = rest.LONGEST_PAUSE_S + 60.0
"""After it was refused the bot comes to the gateway again: its pauses are drawn, and grow with what came before."""

TROUBLES: dict[str, dict[str, Any]] = {
    "500": {},
    "503": {},
    "429": {"retry_after": LONG_S},
    "drop": {},
    "drop-after": {},
    "403": {"code": delivery.MISSING_ACCESS},
    "404": {"code": delivery.UNKNOWN_CHANNEL},
}
CHANNEL, THREAD, DM = range(3)

CALLS_OF_A_COMMAND = (
    ("POST", CHANNEL, "/threads", (*TROUBLES, "hang-after")),
    ("PUT", THREAD, "/thread-members", ("503", "drop", "404")),
    ("GET", THREAD, "", ("503", "429", "drop", "403", "404")),
    ("POST", THREAD, "/messages", tuple(TROUBLES)),
    ("POST", DM, "/users/@me/channels", ("503", "429", "drop")),
)
CALLS_OF_A_RESULT = (
    ("PATCH", THREAD, "/messages/", (*TROUBLES, "hang")),
    ("POST", THREAD, "/messages", (*TROUBLES, "hang-after")),
    ("GET", THREAD, "/messages", ("503", "drop")),
)


@dataclass
class Case:
    """One person, one call of the bot on their behalf, and what it ends with."""

    name: str
    user: User
    channel: Channel
    thread: Channel | None
    method: str
    path: str
    kind: str
    sent: Interaction | None = None

    def fail(self, there: LoopbackDiscord) -> None:
        if self.method == "GET" and self.path.endswith("/messages"):
            there.fail("POST", self.path, "drop-after")  # else nobody looks there
        there.fail(self.method, self.path, self.kind, **TROUBLES.get(self.kind, {}))


async def made(
    there: LoopbackDiscord, app: App, guild: Guild, calls: tuple[Any, ...]
) -> list[Case]:
    """For each call and each end of it somebody in a channel of their own, with a thread where it is known before."""
    found = []
    for method, place, part, kinds in calls:
        for kind in kinds:
            number = len(there.channels)
            user = there.person(guild, f"p{number}")
            denied = CREATE_PRIVATE_THREADS if place == DM else 0
            channel = there.text_channel(guild, f"c{number}", denied=denied)
            thread, path = None, part
            if place == CHANNEL:
                path = f"/channels/{channel.id}{part}"
            if place == THREAD and method != "PUT":
                thread = await remembered(there, app, user, channel)
                path = f"/channels/{thread.id}{part}"
            found.append(
                Case(
                    f"{user.name}: {method} {part} {kind}",
                    user,
                    channel,
                    thread,
                    method,
                    path,
                    kind,
                )
            )
    return found


async def remembered(there: LoopbackDiscord, app: App, user: User, channel: Channel) -> Channel:
    """A thread that a former bot has made."""
    assert channel.guild is not None
    thread = there.thread(channel, user.name)
    thread.members.add(user.id)
    actor = await identity.person(app, "discord", str(user.id), user.name, "discord")
    await cards.remember_thread(app, actor.user_id, channel.guild.id, "getting-started", thread.id)
    return thread


async def submitted(there: LoopbackDiscord, case: Case, mode: str = "ranked") -> None:
    case.sent = await slashed(there, case.user, case.channel, mode)


async def slashed(
    there: LoopbackDiscord, user: User, channel: Channel, mode: str = "ranked"
) -> Interaction:
    return await there.slash(
        user, channel, "submit", file=KERNEL, leaderboard="vectoradd", gpu="CPU", mode=mode
    )


def settled(case: Case) -> bool:
    """Whether they know their number and where to look."""
    text = case.sent.original.text() if case.sent and case.sent.original else ""
    return "accepted" in text and any(
        words in text for words in ("Follow it here", "the result comes", "/submission id:")
    )


def unsettled(cases: list[Case]) -> list[Case]:
    return [case for case in cases if not settled(case)]


async def changes_of_podiums(app: App) -> int:
    async with app.database.read() as connection:
        query = text("SELECT count(*) FROM outbox WHERE topic = 'podium'")
        return int((await connection.execute(query)).scalar_one())


def all_of(there: LoopbackDiscord, footer: str) -> list[Message]:
    return [
        message
        for message in there.messages.values()
        if any(item.get("footer", {}).get("text", "").startswith(footer) for item in message.embeds)
    ]


@pytest.fixture
def there(discord: LoopbackDiscord) -> Iterator[LoopbackDiscord]:
    yield discord
    # An acknowledgement is repeated where its answer was lost; Discord then says that there was one.
    discord.violations[:] = [item for item in discord.violations if "40060" not in item]


@pytest.mark.slow
async def test_whichever_call_fails_people_are_told_and_results_are_brought_once(
    there: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    guild = there.guild()
    announcements = there.text_channel(guild, "submissions")
    at_once = await made(there, app, guild, CALLS_OF_A_COMMAND)
    later = await made(there, app, guild, CALLS_OF_A_RESULT)
    await process.start()

    sent: list[Case] = []
    for case in (*at_once, *later):
        await there.until(lambda: len(unsettled(sent)) < AT_ONCE, "most are settled")
        if case in at_once:
            case.fail(there)
        await submitted(there, case)
        sent.append(case)
    for case in (*at_once, *later):
        await there.until(lambda case=case: settled(case), case.name)
    for case in later:
        case.fail(there)
    for at in range(len(at_once) + len(later)):
        await factories.judge_one(app, factories.make_verdict(ns=1e6 - 1000 * at))

    for case in (*at_once, *later):
        await there.until(lambda case=case: results(there, case.user), case.name)
    await nothing_waits(app)
    told = {case.name: len(results(there, case.user)) for case in (*at_once, *later)}
    assert told == dict.fromkeys(told, 1)
    assert len(podiums(there, announcements)) == await changes_of_podiums(app)
    assert [failure for failure in there.failures if failure.times] == []
    assert "a command failed" not in process.log.read_text()


@pytest.mark.slow
async def test_a_bot_killed_at_any_instant_brings_everything_once_after_it_is_back(
    there: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    guild = there.guild()
    announcements = there.text_channel(guild, "submissions")
    eve = there.person(guild, "eve")
    before = await made(
        there, app, guild,
        (("POST", CHANNEL, "/threads", ("hang", "hang-after")),
         ("POST", THREAD, "/messages", ("hang", "hang-after"))),
    )  # fmt: skip
    after = await made(
        there, app, guild,
        (("PATCH", THREAD, "/messages/", ("hang", "hang-after")),
         ("POST", THREAD, "/messages", ("hang", "hang-after"))),
    )  # fmt: skip
    await process.start()
    for case in after:
        await submitted(there, case, "test")
        await there.until(lambda case=case: settled(case), case.name)
        case.fail(there)
    for _ in after:
        await factories.judge_one(app)
    await slashed(there, eve, there.text_channel(guild, "eve"))
    set_aside_run = await set_aside(app)
    (told_eve,) = await there.until(lambda: results(there, eve), "Eve's result")
    there.fail("POST", f"/channels/{told_eve.channel.id}/messages", "hang-after")
    await quarantine.refuse(app, await root(app), set_aside_run, "It replaced the timer.")
    there.fail("POST", f"/channels/{announcements.id}/messages", "hang-after")
    await factories.ranked(app, await factories.make_actor(app), 20_000)
    for case in before:
        case.fail(there)
        await submitted(there, case)
    await there.until(lambda: all(item.hung for item in there.failures), "all calls hang")

    await process.kill()
    await hold_ends(app)
    for _ in before:
        await factories.judge_one(app)
    await process.start()

    for case in (*before, *after):
        await there.until(lambda case=case: results(there, case.user), case.name)
    await nothing_waits(app)
    told = {case.name: len(results(there, case.user)) for case in (*before, *after)}
    assert told == dict.fromkeys(told, 1)
    assert len(all_of(there, "submission ")) == len(told) + 1  # Eve's
    assert len(decisions(there, eve)) == 1
    assert len(podiums(there, announcements)) == await changes_of_podiums(app)
    without_a_thread = before[0]
    (directly,) = results(there, without_a_thread.user)
    assert directly.channel is there.dm(without_a_thread.user)


async def test_a_command_is_carried_out_although_answers_go_astray(
    there: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    guild = there.guild()
    calls = (
        ("POST", DM, "/callback", ("500", "500-after", "drop", "drop-after")),
        ("PATCH", DM, "/webhooks/", ("500", "500-after", "drop", "drop-after")),
    )
    cases = await made(there, app, guild, calls)
    await process.start()

    for case in cases:
        case.fail(there)
        await submitted(there, case)
        await there.until(lambda case=case: settled(case), case.name)

    asked = await there.slash(cases[0].user, cases[0].channel, "submissions")
    assert (await there.answer(asked)).text().count("vectoradd") == 1


async def test_a_file_that_discord_does_not_hand_over_is_asked_for_again(
    there: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    cases = await made(there, app, there.guild(), (("GET", DM, "/attachments/", ("500", "404")),))
    await process.start()

    for case in cases:
        case.fail(there)
        await submitted(there, case)
        assert case.sent is not None
        assert "Send the command again" in (await there.answer(case.sent)).text()


async def test_results_are_brought_while_the_gateway_is_away_from_the_start(
    there: LoopbackDiscord, process: BotProcess, app: App
) -> None:
    """As for an hour, but shorter: nothing depends on how long it lasts but the pauses, which have an end."""
    guild = there.guild()
    channel = there.text_channel(guild, "submissions")
    ada = there.person(guild, "ada")
    thread = await remembered(there, app, ada, channel)
    actor = await identity.person(app, "discord", str(ada.id), "ada", "discord")
    for _ in range(2):
        view = await factories.submitted(app, actor, mode="test")
        await cards.open_card(app, view.id, thread.id, str(ada.id))

    there.gateway.refusing = True
    await process.launch()
    await there.until(lambda: len(all_of(there, "submission ")) == 2, "both cards")
    await factories.judge_one(app)
    await there.until(lambda: in_thread(there, ada, "passed"), "the end on a card")
    there.gateway.refusing = False
    await there.until(lambda: there.gateway.connected, "the bot is at the gateway", LONGEST_AWAY_S)

    there.gateway.refusing = True
    await there.gateway.drop(resumable=False)
    await factories.judge_one(app)
    await there.until(lambda: len(results(there, ada)) == 2, "both results")
    there.gateway.refusing = False
    await there.until(lambda: there.gateway.identified == 2, "a new session", LONGEST_AWAY_S)
    assert "CPU" in (await there.answer(await there.slash(ada, channel, "queue"))).text()


async def test_a_call_given_up_during_a_global_limit_leaves_the_others_free(
    discord: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Route, "BASE", discord.api_url)
    client = Client(
        intents=Intents.none(),
        http_trace=rest.trace(lambda: client.http._global_over.set()),
    )
    async with client:
        await client.login(discord.token)
        discord.fail("GET", "/users/", "429", retry_after=0.5, shared=True)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.fetch_user(1)

        async with asyncio.timeout(120):
            assert await client.fetch_user(discord.bot.id)


async def test_all_calls_together_keep_a_pace() -> None:
    pace = rest.Pace(4, 0.6)
    loop = asyncio.get_running_loop()
    began, ended = loop.time(), []

    async def call() -> None:
        await pace.turn()
        ended.append(loop.time() - began)

    await asyncio.gather(*(call() for _ in range(10)))

    # However late a busy machine wakes those that wait, and a little after each was let through.
    assert [ended[at + 4] - ended[at] > 0.3 for at in range(6)] == [True] * 6


def test_a_gateway_that_was_away_for_an_hour_is_tried_at_least_every_minute() -> None:
    backoff = rest.Backoff()

    pauses = [backoff.delay() for _ in range(300)]

    assert max(pauses) == rest.LONGEST_PAUSE_S
