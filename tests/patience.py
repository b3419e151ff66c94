"""Waiting for a condition, with an end: the only way in which tests wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def until(true: Callable[[], Any | Awaitable[Any]], patience_s: float = 120.0) -> Any:
    """What ``true`` returns once that is true. Raises TimeoutError; generous, machines are busy."""
    async with asyncio.timeout(patience_s):
        while True:
            found = true()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
