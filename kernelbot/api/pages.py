"""Pages of standings as bytes: rendered once for each change, however many read them."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from kernelbot.api import present
from kernelbot.api.coalesce import Coalesced
from kernelbot.services.views import StandingsPage

PAGES_KEPT = 1000


@dataclass(frozen=True)
class Rendered:
    """A page, its bytes, and the tag of exactly these bytes."""

    page: StandingsPage
    body: bytes
    etag: str


class Pages:
    """One process's pages. Each is looked up anew, so none is ever older than the question."""

    def __init__(self) -> None:
        self._shared: Coalesced[Rendered] = Coalesced()
        self._kept: OrderedDict[Hashable, Rendered] = OrderedDict()

    async def get(self, key: Hashable, load: Callable[[], Awaitable[StandingsPage]]) -> Rendered:
        return await self._shared.get(key, lambda: self._current(key, load))

    async def _current(
        self, key: Hashable, load: Callable[[], Awaitable[StandingsPage]]
    ) -> Rendered:
        page = await load()
        kept = self._kept.get(key)
        # Cheap while nothing changes: the service hands out the very same standings.
        if kept is None or kept.page != page:
            kept = self._kept[key] = render(page)
            while len(self._kept) > PAGES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept


def render(page: StandingsPage) -> Rendered:
    text = json.dumps(present.standings(page), ensure_ascii=False, separators=(",", ":"))
    body = text.encode()
    # The revision alone would be the same with a reader's own place, a new name, and in a later freeze.
    digest = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Rendered(page, body, f'"{page.revision}-{digest}"')
