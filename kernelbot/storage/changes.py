"""Who changed what, as it happens: one LISTEN connection a process, fanned out in memory.

Notifications are hints, never the truth: subscribers look at the tables when woken, and look from
time to time when not, so one that gets lost costs seconds and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage import queue
from kernelbot.storage.database import LOST, driver_url

SUBMISSION = "kernelbot_submission"
OUTBOX = "kernelbot_outbox"
CANCEL = "kernelbot_cancel"

log = structlog.get_logger()

NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def notify(connection: AsyncConnection, channel: str, payload: str = "") -> None:
    """Wake the subscribers of a channel once this transaction is committed."""
    await connection.execute(NOTIFY, {"channel": channel, "payload": payload})


class Subscription:
    """Wakes its holder; several changes between two waits are one."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.payloads: set[str] = set()

    def wake(self, payload: str) -> None:
        self.payloads.add(payload)
        self._changed.set()

    async def wait(self, timeout: float) -> bool:
        """True when woken, False after ``timeout`` seconds without news."""
        try:
            # Not wait_for: whoever is cancelled at the very moment of the news would go on, uncancelled.
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def take(self) -> set[str]:
        """The payloads since the last call."""
        payloads, self.payloads = self.payloads, set()
        return payloads


class Changes:
    """The process's ear. ``async with Changes(url) as changes``."""

    CHANNELS = (SUBMISSION, OUTBOX, CANCEL)

    def __init__(self, url: str) -> None:
        self._url = driver_url(url)
        self._subscribers: dict[tuple[str, str], set[Subscription]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Changes:
        self._task = asyncio.create_task(self._listen_for_ever(), name="changes")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @contextlib.asynccontextmanager
    async def on(self, channel: str, payload: str = "*") -> AsyncIterator[Subscription]:
        """Subscribe to one payload of a channel, or to all of them with ``*``."""
        subscription, key = Subscription(), (channel, payload)
        self._subscribers[key].add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers[key].discard(subscription)
            if not self._subscribers[key]:
                del self._subscribers[key]

    @contextlib.asynccontextmanager
    async def subscribe(self, submission_id: int) -> AsyncIterator[Subscription]:
        """Wake when this submission changes."""
        async with self.on(SUBMISSION, str(submission_id)) as subscription:
            yield subscription

    def _deliver(self, channel: str, payload: str) -> None:
        for key in ((channel, payload), (channel, "*")):
            for subscription in self._subscribers.get(key, ()):
                subscription.wake(payload)

    def _wake_everybody(self) -> None:
        for subscriptions in list(self._subscribers.values()):
            for subscription in subscriptions:
                subscription.wake("")

    async def _listen_for_ever(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._listen()
                pause = 0.1
            except (*LOST, asyncpg.PostgresError, OSError) as error:
                log.warning("listening was interrupted", error=repr(error), again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def _listen(self) -> None:
        """Until the connection is lost."""
        connection = await asyncpg.connect(self._url, timeout=5)
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _: gone.set())
        try:
            for channel in (*self.CHANNELS, queue.channel()):
                await connection.add_listener(
                    channel, lambda _c, _p, name, payload: self._deliver(name, str(payload))
                )
            # Whatever happened while nobody listened.
            self._wake_everybody()
            await gone.wait()
        finally:
            with contextlib.suppress(*LOST, asyncpg.PostgresError, OSError):
                await connection.close(timeout=1)
