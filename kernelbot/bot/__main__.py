"""``python -m kernelbot.bot``: the bot process. Any number of restarts; nothing is lost in between.

``python -m kernelbot.bot invite`` prints the link that lets the bot into a server, and ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import Any

import discord
import structlog
import yarl

from kernelbot import logs
from kernelbot.app import build
from kernelbot.bot import permissions, rest
from kernelbot.bot.client import Bot
from kernelbot.config import Settings
from kernelbot.errors import Refused
from kernelbot.services.context import Context

INVITE = "invite"
LOGIN_S = 60.0
STEADY_S = 300.0
"""Who stayed that long begins with short pauses again: Discord allows 1,000 sessions a day."""
AGAIN_S = 2.0
"""What a cancelled task gets to put things in order before it is told again."""

log = structlog.get_logger()


def main() -> int:
    """Exit code 0 after a signal, 1 where Discord gives no link, 2 when the settings do not allow it to start."""
    wanted = sys.argv[1:]
    if wanted not in ([], [INVITE]):
        print(f"Usage: python -m kernelbot.bot [{INVITE}]", file=sys.stderr)
        return 2
    settings = Settings()
    logs.configure(settings, "bot")
    if settings.discord_token is None:
        print("No bot token. Set DISCORD_TOKEN; see docs/running-the-bot.md.", file=sys.stderr)
        return 2
    go_where_told(settings)
    try:
        token = settings.discord_token.get_secret_value()
        asyncio.run(print_link(token) if wanted else serve(settings, token))
    except discord.LoginFailure:
        print(
            "Discord does not accept this token. Make a new one: docs/running-the-bot.md.",
            file=sys.stderr,
        )
        return 2
    except Refused as error:
        print(error.message, file=sys.stderr)
        return 2
    return 0


def go_where_told(settings: Settings) -> None:
    """Another Discord than the real one; these two are the only places that name it."""
    if settings.discord_api_url:
        discord.http.Route.BASE = settings.discord_api_url.rstrip("/")
    if settings.discord_gateway_url:
        gateway = discord.gateway.DiscordWebSocket
        gateway.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)


async def print_link(token: str) -> None:
    """Discord knows whose token it is. Raises discord.LoginFailure for one that is not."""
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            async with asyncio.timeout(LOGIN_S):
                await client.login(token)
        except rest.NO_ANSWER as error:
            sys.exit(f"Discord does not answer: {error!r}")
        assert client.application_id is not None, "after the login"
        print(permissions.invite(client.application_id))


async def serve(settings: Settings, token: str) -> None:
    """Until SIGINT or SIGTERM. Raises discord.LoginFailure for a token that is not one."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with build(settings) as app:
        working = asyncio.create_task(_stay(app, token), name="bot")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await end(stopping, working)
        if not working.cancelled():
            working.result()


async def _stay(app: Context, token: str) -> None:
    """Log in until it works, then stay; discord.py itself reconnects and resumes."""
    pause = 1.0
    while True:
        began = time.monotonic()
        async with Bot(app) as bot:
            try:
                async with asyncio.timeout(LOGIN_S):
                    await bot.login(token)
                await _work(bot)
            except discord.LoginFailure:
                raise
            except (discord.DiscordException, *rest.NO_ANSWER) as error:
                log.warning("Discord cannot be reached", error=repr(error))
        if time.monotonic() - began > STEADY_S:
            pause = 1.0
        await asyncio.sleep(pause)
        pause = min(pause * 2, rest.LONGEST_PAUSE_S)


async def _work(bot: Bot) -> None:
    beside = asyncio.create_task(bot.run_beside(), name="beside")
    connected = asyncio.create_task(rest.connect(bot), name="connection")
    try:
        await asyncio.wait({beside, connected}, return_when=asyncio.FIRST_COMPLETED)
        for task in (beside, connected):
            if task.done():
                task.result()
    finally:
        await end(beside, connected)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: discord.py connects through asyncio.wait_for, which until Python 3.12 swallows
    a cancellation that arrives as the connection is made (python/cpython#86296).
    """
    while going_on := [task for task in tasks if not task.done()]:
        for task in going_on:
            task.cancel()
        await asyncio.wait(going_on, timeout=AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain of it


if __name__ == "__main__":
    sys.exit(main())
