"""A deadline in Discord: hundreds submit within a minute while thousands of cards are live.

``python -m benchmarks.bot_load [--people 300] [--within 60] [--cards 2000] [--judged 200]``

The bot runs as a process of its own against a loopback Discord that enforces Discord's limits (50 calls a second,
5 messages and 5 edits of a channel in 5 s, answers within 3 s), over an embedded Postgres. Told are the times until a
person sees that the bot has heard them and until they see their number, what Discord refused, and what was lost or
said twice. Exit code 0 only if the 99th percentile of the acknowledgements is under a second, nothing was lost or
doubled, and no rule was broken. Verdicts are recorded by this program: what is measured is the bot.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from kernelbot.app import App, build, prepare
from kernelbot.config import Settings
from kernelbot.services import cards, identity
from kernelbot.storage.embedded import EmbeddedPostgres
from tests import factories
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import Channel, Interaction, Message, User

ACKNOWLEDGED_S = 1.0
SETTLE_S = 600.0
CARDS_EACH = 20
"""Live cards of one person."""
RESULT = re.compile(r"#(\d+) on vectoradd: ")


async def main(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as url:
            settings = Settings(database_url=url, data_dir=Path(folder))
            await prepare(settings)
            async with build(settings) as app, LoopbackDiscord() as discord:
                return await _run(app, discord, url, arguments)


async def _run(app: App, discord: LoopbackDiscord, url: str, arguments: argparse.Namespace) -> int:
    guild = discord.guild()
    channels = [
        discord.text_channel(guild, f"submissions-{number}") for number in range(arguments.channels)
    ]
    people = [discord.person(guild, f"person{number}") for number in range(arguments.people)]
    await _live_cards(app, discord, people, arguments.cards)
    environment = {**os.environ, **discord.environment(), "DATABASE_URL": url}
    with tempfile.TemporaryFile() as log:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kernelbot.bot", env=environment, stdout=log, stderr=log
        )
        try:
            await discord.until(lambda: discord.gateway.connected, "the bot is connected", 60)
            await discord.until(lambda: discord.commands, "commands are registered", 60)
            began = time.monotonic()
            judging = asyncio.create_task(_judge(app, arguments.judged))
            sent = await asyncio.gather(
                *(
                    _submit(discord, user, channels[at % len(channels)], at, arguments)
                    for at, user in enumerate(people)
                )
            )
            judged = await judging
            lost = await _settled(discord, sent, judged)
            return _report(discord, sent, judged, lost, time.monotonic() - began)
        finally:
            with contextlib.suppress(ProcessLookupError):
                bot.kill()
            await bot.wait()


async def _live_cards(app: App, discord: LoopbackDiscord, people: list[User], count: int) -> None:
    """Submissions that wait, each with its card where a former bot put it."""
    for at in range(count):
        user = people[(at // CARDS_EACH) % len(people)]
        actor = await identity.person(app, "discord", str(user.id), user.name, "discord")
        view = await factories.submitted(app, actor, mode="test")
        place = discord.dm(user)
        message = Message(discord.snowflake(), place, discord.bot, f"card of #{view.id}")
        discord.messages[message.id] = message
        await cards.open_card(app, view.id, place.id, str(user.id))
        await cards.placed(app, view.id, message.id)


async def _submit(
    discord: LoopbackDiscord, user: User, channel: Channel, at: int, arguments: argparse.Namespace
) -> Interaction:
    await asyncio.sleep(arguments.within * at / arguments.people)
    code = factories.CODE + f"# {user.name}\n".encode()
    return await discord.slash(
        user, channel, "submit", file=Upload("kernel.py", code), leaderboard="vectoradd",
        gpu="CPU", mode="ranked",
    )  # fmt: skip


async def _judge(app: App, count: int) -> set[int]:
    """Verdicts as workers would record them, one after the other; the submissions they are of."""
    found = set()
    for _ in range(count):
        held = await factories.judge_one(app)
        found.add(held.submission_id)
        await asyncio.sleep(0.05)
    return found


async def _settled(
    discord: LoopbackDiscord, sent: list[Interaction], judged: set[int]
) -> list[str]:
    """Wait until everybody has their number and their result; what is still missing after a while."""
    ends = time.monotonic() + SETTLE_S
    while True:
        results = _results(discord)
        lost = [f"{item.user.name} has no answer" for item in sent if not _accepted(item)]
        lost += [f"no result of #{number}" for number in judged - set(results)]
        if not lost or time.monotonic() > ends:
            return lost
        await asyncio.sleep(1)


def _accepted(item: Interaction) -> bool:
    return item.original is not None and "accepted" in item.original.content


def _results(discord: LoopbackDiscord) -> collections.Counter[int]:
    found = (RESULT.search(message.content) for message in discord.messages.values())
    return collections.Counter(int(match[1]) for match in found if match)


def _report(
    discord: LoopbackDiscord,
    sent: list[Interaction],
    judged: set[int],
    lost: list[str],
    took_s: float,
) -> int:
    heard = sorted(item.acknowledged_after_s or float("inf") for item in sent)
    p99 = heard[min(len(heard) - 1, int(0.99 * len(heard)))]
    doubled = [number for number, times in _results(discord).items() if times > 1]
    edits = [
        item for item in discord.requests if item.method == "PATCH" and "webhooks" not in item.path
    ]
    refused = sum(item.status == 429 for item in discord.requests)
    busiest = max(collections.Counter(int(item.at) for item in edits).values(), default=0)
    print(f"acknowledged: median {statistics.median(heard) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, "
          f"longest {heard[-1] * 1e3:.0f} ms, of {len(heard)}")  # fmt: skip
    print(
        f"cards edited {len(edits)} times, at most {busiest} in a second; refused for pace: {refused}"
    )
    print(
        f"results of {len(judged)} submissions: {len(lost)} missing, {len(doubled)} twice; {took_s:.0f} s in all"
    )
    for line in [
        *lost[:10],
        *(f"#{number} twice" for number in doubled[:10]),
        *discord.violations[:10],
    ]:
        print(line)
    fine = p99 < ACKNOWLEDGED_S and not lost and not doubled and not discord.violations
    return 0 if fine else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Hundreds submit in Discord within a minute.")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--within", type=float, default=60.0, help="seconds")
    parser.add_argument("--cards", type=int, default=2000, help="live ones at the beginning")
    parser.add_argument("--judged", type=int, default=200)
    parser.add_argument("--channels", type=int, default=10)
    sys.exit(asyncio.run(main(parser.parse_args())))
