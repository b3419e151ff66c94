"""What every call to Discord has in common: a pace, and an end of every failure.

discord.py keeps to the limit of each route, by Discord's own headers. What it leaves open is here: the limit of all
calls together, the failures it does not know, and what it forgets when a call is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog
import yarl
from discord import gateway
from discord.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS, WITHIN_S = 40, 1.0
"""At most, of Discord's 50: what is sent at an even pace arrives at an uneven one."""
UNHURRIED_CALLS = 25
"""Of these for what nobody waits for, so that it never takes everything."""
LONGEST_PAUSE_S = 60.0

NO_ANSWER = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError)
"""Whatever a call can end with but success: refused, told to come back much later, cut off, timed out."""

ANSWERED = 40060
"""An interaction that has been acknowledged already."""

CUT_OFF: ContextVar[bool] = ContextVar("cut_off", default=False)
"""Whether a call of this task has ended in a way that leaves open whether Discord carried it out."""

UNHURRIED: ContextVar[bool] = ContextVar("unhurried", default=False)
"""Whether nobody waits for the calls of this task."""

log = structlog.get_logger()


class Pace:
    """Lets ``calls`` through in any ``within_s`` seconds, in the order of their coming."""

    def __init__(self, calls: int, within_s: float) -> None:
        self._within_s = within_s
        self._last: deque[float] = deque(maxlen=calls)
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        async with self._line:
            clock = asyncio.get_running_loop().time
            now = clock()
            if len(self._last) == self._last.maxlen:
                free = self._last[0] + self._within_s
                if free > now:
                    await asyncio.sleep(free - now)
                    now = max(free, clock())  # who wakes late has not gone before
            self._last.append(now)


def trace(go_on: Callable[[], None]) -> aiohttp.TraceConfig:
    """For a client's session. ``go_on`` ends discord.py's waiting for the end of a global limit."""
    pace, unhurried = Pace(CALLS, WITHIN_S), Pace(UNHURRIED_CALLS, WITHIN_S)
    found = aiohttp.TraceConfig()

    async def before(_: object, __: SimpleNamespace, call: aiohttp.TraceRequestStartParams) -> None:
        if _is_paced(call.url):
            if UNHURRIED.get():
                await unhurried.turn()
            await pace.turn()

    async def after(_: object, __: SimpleNamespace, call: aiohttp.TraceRequestEndParams) -> None:
        answer = call.response
        if answer.status >= 500:
            CUT_OFF.set(True)
        if answer.status == 429 and "X-RateLimit-Global" in answer.headers:
            # discord.py holds every call back until this one has waited, which it does not if it is given up.
            pause = float(answer.headers.get("Retry-After", LONGEST_PAUSE_S))
            asyncio.get_running_loop().call_later(pause + 1, go_on)

    async def failed(_: object, __: SimpleNamespace, ___: object) -> None:
        CUT_OFF.set(True)

    found.on_request_start.append(before)
    found.on_request_end.append(after)
    found.on_request_exception.append(failed)
    return found


def _is_paced(url: yarl.URL) -> bool:
    """Answers to interactions do not count against the limit, and files come from elsewhere."""
    path = url.path
    return "/api/" in path and "/interactions/" not in path and "/webhooks/" not in path


class Backoff(ExponentialBackoff[bool]):
    """discord.py's, which after an hour without a gateway would stay away for up to 17 minutes."""

    def delay(self) -> float:
        return min(super().delay(), LONGEST_PAUSE_S)


async def connect(client: discord.Client) -> None:
    """Be at the gateway for as long as the client lives; every call goes on when the gateway does not."""
    discord.client.ExponentialBackoff = Backoff  # type: ignore[assignment, attr-defined]
    pause = 1.0
    while True:
        try:
            await client.connect(reconnect=True)
            return
        except AttributeError:
            # Where the very first connection fails discord.py trips over the session it does not have.
            if isinstance(client.ws, gateway.DiscordWebSocket):
                raise
        log.warning("the gateway cannot be reached", again_in_s=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)
