"""A deadline in Discord: hundreds submit within a minute while thousands of cards are live.

``python -m benchmarks.bot_load [--people 300] [--within 60] [--cards 2000] [--judged 300]``

The bot runs as a process of its own against a loopback Discord that enforces Discord's limits (50 calls a second;
5 messages, 5 edits and 5 new threads of a channel in 5 s; 1,000 threads of a server; answers within 3 s) and answers
after a tenth of a second, over an embedded Postgres. Two in three of the people have a thread with live cards; the
others need one. Verdicts are recorded by this program as workers would: what is measured is the bot.

Told are the times until a completion is there while somebody types, of a bot that has nothing else to do; until a person sees that the bot has heard them, and from a verdict to the card that shows it and to
the message that tells it; how many changes went into how many edits; what Discord refused; what is missing and what
stands there twice. Exit code 0 only if every target is met.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sqlalchemy import text

from kernelbot.app import App, build, prepare
from kernelbot.config import Settings
from kernelbot.services import cards, identity
from kernelbot.storage.embedded import EmbeddedPostgres
from tests import factories
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import EPOCH_MS, Channel, Guild, Interaction, Message, User

TYPED_S = 0.1
TYPED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("leaderboard", "", {}), ("leaderboard", "vec", {}), ("leaderboard", "add", {}),
    ("gpu", "", {"leaderboard": "vectoradd"}), ("gpu", "CPU, H", {"leaderboard": "vectoradd"}),
)  # fmt: skip
"""What is completed from memory: option, what was typed of it, what is filled in already."""
COMPLETIONS = 100
ACKNOWLEDGED_S = 1.0
SHOWN_S = 10.0
REFUSED_SHARE = 0.05
"""Of all calls; what Discord refuses for pace is sent again. The loopback Discord is the stricter one: it frees the
calls of a channel one by one as they grow old, where Discord's headers, by which the bot goes, free all at once.
"""

AWAY_S = 0.1
SETTLE_S = 300.0
WITH_CARDS = 2 / 3
COMPETITION = "getting-started"
FOOTER = re.compile(r"(submission|result|notice) (\d+)")


@dataclass
class Deadline:
    """What was done to the bot, and when."""

    app: App
    discord: LoopbackDiscord
    guild: Guild
    sent: list[Interaction] = field(default_factory=list)
    typed: list[float] = field(default_factory=list)  # seconds until a completion was there
    judged: dict[int, float] = field(
        default_factory=dict
    )  # submission: when its verdict was recorded
    moved: int = 0  # places in line that changed, of all cards together

    # --- before ----------------------------------------------------------------------------------

    async def live_cards(self, people: list[User], channels: list[Channel], count: int) -> None:
        """Submissions that wait, each with its card where a former bot put it."""
        threads: dict[int, Channel] = {}
        for at in range(count):
            user = people[at % len(people)]
            actor = await identity.person(self.app, "discord", str(user.id), user.name, "discord")
            view = await factories.submitted(self.app, actor, mode="test")
            thread = threads.get(user.id)
            if thread is None:
                parent = channels[at % len(channels)]
                thread = threads[user.id] = self.discord.thread(
                    parent, f"{user.name} · {COMPETITION}"
                )
                thread.members.add(user.id)
                await cards.remember_thread(
                    self.app, actor.user_id, self.guild.id, COMPETITION, thread.id
                )
            embed = {"title": f"#{view.id}", "footer": {"text": f"submission {view.id}"}}
            message = Message(self.discord.snowflake(), thread, self.discord.bot, embeds=[embed])
            self.discord.messages[message.id] = message
            await cards.open_card(self.app, view.id, thread.id, str(user.id))
            await cards.placed(self.app, view.id, message.id)

    async def type(self, user: User, channel: Channel) -> None:
        """One completion after the other, of a bot that knows what there is and has nothing else to do."""
        far_s, self.discord.far_s = self.discord.far_s, 0.0
        async with asyncio.timeout(SETTLE_S):
            while True:
                if (await self._completed(user, channel, 0)).choices:
                    break
                await asyncio.sleep(0.2)
        for at in range(COMPLETIONS):
            asked = await self._completed(user, channel, at)
            assert asked.choices, f"nothing is offered: {asked.what}"
            self.typed.append(asked.acknowledged_after_s or float("inf"))
        self.discord.far_s = far_s

    async def _completed(self, user: User, channel: Channel, at: int) -> Interaction:
        option, typed, filled = TYPED[at % len(TYPED)]
        asked = await self.discord.autocomplete(user, channel, "submit", option, typed, **filled)
        await self.discord.until(lambda: asked.acknowledged is not None, "a completion", SETTLE_S)
        return asked

    # --- the minute ------------------------------------------------------------------------------

    async def submit(self, user: User, channel: Channel, after_s: float) -> None:
        await asyncio.sleep(after_s)
        code = factories.CODE + f"# {user.name}\n".encode()
        self.sent.append(
            await self.discord.slash(
                user,
                channel,
                "submit",
                file=Upload("kernel.py", code),
                leaderboard="vectoradd",
                gpu="CPU",
                mode="ranked",
            )
        )

    async def judge(self, count: int, within_s: float, waiting: int) -> None:
        """Verdicts one after the other; each is faster than all before, so that podiums change."""
        began = time.monotonic()
        for at in range(count):
            await asyncio.sleep(max(0.0, began + within_s * at / count - time.monotonic()))
            held = await factories.judge_one(self.app, factories.make_verdict(ns=1e6 - 1000 * at))
            self.judged[held.submission_id] = time.time()
            self.moved += waiting + len(self.sent) - at

    # --- after -----------------------------------------------------------------------------------

    async def settled(self) -> list[str]:
        """Wait until everybody has everything; what is still missing after a while."""
        ends = time.monotonic() + SETTLE_S
        while True:
            missing = [f"{item.user.name} has no link" for item in self.sent if not _linked(item)]
            told, shown = self.found("result"), self.found("submission")
            for number in self.judged:
                missing += [] if told[number] else [f"no result of #{number}"]
                over = any("queued" not in item.text() for item in shown[number])
                missing += [] if over else [f"the card of #{number} does not show its end"]
            missing += [f"announcement {number} waits" for number in await self._waiting()]
            if not missing or time.monotonic() > ends:
                return missing
            await asyncio.sleep(0.5)

    async def _waiting(self) -> list[int]:
        async with self.app.database.read() as connection:
            rows = await connection.execute(
                text("SELECT id FROM outbox WHERE delivered_at IS NULL ORDER BY id")
            )
            return [row.id for row in rows]

    def found(self, kind: str) -> collections.defaultdict[int, list[Message]]:
        """Messages by what they are of: cards, results or announcements."""
        by_number = collections.defaultdict[int, list[Message]](list)
        for message in list(self.discord.messages.values()):
            for embed in message.embeds[-1:]:
                footer = FOOTER.fullmatch(embed.get("footer", {}).get("text", ""))
                if footer and footer[1] == kind:
                    by_number[int(footer[2])].append(message)
        return by_number

    def doubled(self) -> list[str]:
        return [
            f"{kind} {number} stands there {len(messages)} times"
            for kind in ("submission", "result", "notice")
            for number, messages in self.found(kind).items()
            if len(messages) > 1
        ]


def _linked(item: Interaction) -> bool:
    return item.original is not None and "Follow it here" in item.original.content


def _sent_at(message: Message) -> float:
    return ((message.id >> 22) + EPOCH_MS) / 1000


def _quantiles(values: Iterable[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and longest."""
    known = sorted(values) or [float("inf")]
    return known[len(known) // 2], known[min(len(known) - 1, int(0.99 * len(known)))], known[-1]


def report(story: Deadline, missing: list[str], took_s: float) -> int:
    """Print the table; the exit code."""
    discord = story.discord
    told, shown = story.found("result"), story.found("submission")
    heard = _quantiles(item.acknowledged_after_s or float("inf") for item in story.sent)
    card = _quantiles(
        (item[0].edits or [_sent_at(item[0])])[-1] - at
        for number, at in story.judged.items()
        if (item := shown[number])
    )
    result = _quantiles(
        _sent_at(item[0]) - at for number, at in story.judged.items() if (item := told[number])
    )
    paced = [item for item in discord.requests if not _is_free(item.path)]
    refused = [item for item in paced if item.status == 429]
    edits = [item for item in paced if item.method == "PATCH" and item.status == 200]
    busiest = max(collections.Counter(int(item.at) for item in paced).values(), default=0)
    doubled = story.doubled()
    broken = [*missing, *doubled, *discord.violations]
    typed = _quantiles(story.typed)
    rows = (
        (f"completed, of {len(story.typed)}: median, p99, longest", _ms(typed),
         typed[1] < TYPED_S, f"p99 {TYPED_S * 1e3:.0f} ms"),
        (f"acknowledged, of {len(story.sent)}: median, p99, longest", _ms(heard),
         heard[1] < ACKNOWLEDGED_S, f"p99 {ACKNOWLEDGED_S:.0f} s"),
        (f"verdict to its card, of {len(story.judged)}", _ms(card), card[1] < SHOWN_S,
         f"p99 {SHOWN_S:.0f} s"),
        ("verdict to its message", _ms(result), result[1] < SHOWN_S, f"p99 {SHOWN_S:.0f} s"),
        ("changes of cards, in edits", f"{story.moved:,}, {len(edits):,}", True, ""),
        ("calls, in the busiest second", f"{len(paced):,}, {busiest}", busiest <= 50, "50"),
        ("refused for pace", f"{len(refused)}", len(refused) <= REFUSED_SHARE * len(paced),
         f"{REFUSED_SHARE:.0%}"),
        ("missing, doubled, rules broken",
         f"{len(missing)}, {len(doubled)}, {len(discord.violations)}", not broken, "0"),
    )  # fmt: skip
    for what, measured, met, target in rows:
        print(f"{what:50} {measured:>26}  {'' if met else 'MISSED ':8}{target}")
    load = os.getloadavg()[0]
    print(
        f"{len(story.found('notice'))} announcements; {took_s:.0f} s in all; "
        f"{os.cpu_count()} processors, load {load:.1f}"
    )
    by_route = collections.Counter(f"{item.method} {item.route}" for item in refused)
    for route, times in by_route.most_common(5):
        print(f"    refused {times} times: {route}")
    for line in itertools.islice(broken, 20):
        print(f"    {line}")
    return 0 if all(met for _, _, met, _ in rows) else 1


def _is_free(path: str) -> bool:
    """Answers to interactions do not count against the limit."""
    return any(part in path for part in ("/interactions/", "/webhooks/", "/attachments/"))


def _ms(times: tuple[float, float, float]) -> str:
    return ", ".join(f"{value * 1e3:,.0f}" for value in times) + " ms"


async def main(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as url:
            settings = Settings(database_url=url, data_dir=Path(folder))
            await prepare(settings)
            async with build(settings) as app, LoopbackDiscord() as discord:
                return await run(app, discord, url, arguments)


async def run(app: App, discord: LoopbackDiscord, url: str, arguments: argparse.Namespace) -> int:
    discord.far_s = AWAY_S
    guild = discord.guild()
    story = Deadline(app, discord, guild)
    discord.text_channel(guild, "submissions")
    channels = [discord.text_channel(guild, f"kernels-{at}") for at in range(arguments.channels)]
    people = [discord.person(guild, f"person{at}") for at in range(arguments.people)]
    environment = {**os.environ, **discord.environment(), "DATABASE_URL": url}
    with (Path(arguments.log) if arguments.log else Path(os.devnull)).open("wb") as log:
        async with started(discord, environment, log):
            await story.type(people[0], channels[0])
        old = people[: max(1, int(WITH_CARDS * len(people)))]
        await story.live_cards(old, channels, arguments.cards)
        print(f"{arguments.cards} cards are live")
        async with started(discord, environment, log):
            began = time.monotonic()
            within = arguments.within
            mixed = sorted(people, key=lambda user: user.name[::-1])  # old and new by turns
            async with asyncio.TaskGroup() as doing:
                doing.create_task(story.judge(arguments.judged, within, arguments.cards))
                for at, user in enumerate(mixed):
                    channel = channels[at % len(channels)]
                    doing.create_task(story.submit(user, channel, within * at / len(mixed)))
            missing = await story.settled()
            return report(story, missing, time.monotonic() - began)


@contextlib.asynccontextmanager
async def started(
    discord: LoopbackDiscord, environment: dict[str, str], log: IO[bytes]
) -> AsyncIterator[None]:
    """The bot as a process of its own, at the gateway and with its commands registered; killed at the end."""
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernelbot.bot", env=environment, stdout=log, stderr=log
    )
    try:
        await discord.until(lambda: discord.gateway.connected, "the bot is connected", 60)
        await discord.until(lambda: discord.commands, "commands are registered", 60)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            bot.kill()
        await bot.wait()
        await discord.until(lambda: not discord.gateway.connected, "the bot is gone", 60)


if __name__ == "__main__":
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # of calls cut off at the end
    parser = argparse.ArgumentParser(description="Hundreds submit in Discord within a minute.")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--within", type=float, default=60.0, help="seconds")
    parser.add_argument("--cards", type=int, default=2000, help="live ones at the beginning")
    parser.add_argument("--judged", type=int, default=300)
    parser.add_argument("--channels", type=int, default=10)
    parser.add_argument("--log", default="", help="file for what the bot logs")
    sys.exit(asyncio.run(main(parser.parse_args())))
