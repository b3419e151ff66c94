"""Who sees which competition. What somebody may not see answers as if it did not exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.competition import is_visible
from kernelbot.domain.people import Actor, Role, Scope
from kernelbot.storage import invites


class Guarded(Protocol):
    """A row that belongs to a competition."""

    @property
    def competition_id(self) -> int: ...
    @property
    def visibility(self) -> str: ...
    @property
    def public_from(self) -> datetime | None: ...


Row = TypeVar("Row", bound=Guarded)


@dataclass(frozen=True)
class Access:
    """What one person sees at one moment."""

    at: datetime
    joined: frozenset[int] = frozenset()
    organizer: bool = False

    def sees(self, row: Guarded) -> bool:
        return is_visible(
            row.visibility,
            row.public_from,
            self.at,
            joined=row.competition_id in self.joined,
            organizer=self.organizer,
        )

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that this person sees."""
        return [row for row in rows if self.sees(row)]


def of_strangers() -> Access:
    """What everybody sees."""
    return Access(datetime.now(UTC))


async def of(connection: AsyncConnection, actor: Actor | None) -> Access:
    if actor is None:
        return of_strangers()
    joined = await invites.joined_by(connection, actor.user_id)
    return Access(datetime.now(UTC), frozenset(joined), organizes(actor))


def organizes(actor: Actor | None) -> bool:
    """Organizers see every competition, and through every freeze."""
    return actor is not None and actor.role is Role.ADMIN and Scope.ADMIN in actor.scopes
