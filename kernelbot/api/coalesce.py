"""Many readers of the same thing at the same time cost one reading of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Shares one load among callers, and never hands out a load that began before the call.

    Who asks while a load is under way waits for the next one: what was committed before the
    question is always in the answer, so a person who saw their run finish sees their new place.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """The value of a load that begins after this call. Raises what the load raises."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._run(key, load))
            self._next[key] = task
            task.add_done_callback(_retrieved)
        # Shielded: one caller's going away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        before = self._running.get(key)
        if before is not None:
            await asyncio.wait([before])
        me = self._next.pop(key)
        self._running[key] = me
        try:
            return await load()
        finally:
            if self._running.get(key) is me:
                del self._running[key]


def _retrieved(task: asyncio.Task[T]) -> None:
    if not task.cancelled():
        task.exception()
