"""What a competition looks like in a server: what is to be made, changed or taken away, and when to remind.

A server shows a competition as a forum with a post of rules and one for each leaderboard, and an event for each
phase. Each of these is a *thing* with a key; what it should show is compared with what it was last made to show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kernelbot.domain.competition import Phase

FORUM, RULES = "forum", "rules"
BOARD, EVENT = "board:", "event:"

MOST_LOST = 2
"""What somebody has deleted so often is left away: once may be a slip, twice is a wish."""

EVENT_LEAD = timedelta(minutes=1)
"""An event begins in the future, or Discord does not take it."""

TOLD_LATE = timedelta(hours=24)
"""That a phase has begun or ended is news for so long."""

DAY, LAST_HOUR = timedelta(hours=24), timedelta(hours=1)

CARD_EVERY = timedelta(seconds=10)
CHANNEL_EVERY = timedelta(seconds=7)
"""Of messages older than an hour a channel takes about three edits within twenty seconds."""

CHANNEL_NAME = 100


def board_key(leaderboard_id: int) -> str:
    return f"{BOARD}{leaderboard_id}"


def event_key(phase: str) -> str:
    return f"{EVENT}{phase}"


def forum_name(competition: str) -> str:
    """As Discord spells names of channels: small, without blanks."""
    name = re.sub(r"[^a-z0-9_-]+", "-", competition.lower()).strip("-")
    return name[:CHANNEL_NAME] or "competition"


# --- time ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Window:
    """When a phase takes submissions: from the first of its leaderboards that opens until the last closes."""

    phase: str  # "": the whole competition
    title: str
    opens: datetime | None = None
    closes: datetime | None = None


def windows(
    phases: Sequence[Phase], times: Iterable[tuple[str, datetime | None, datetime | None]]
) -> tuple[Window, ...]:
    """One for each phase that has leaderboards; ``times`` has of each its phase, opening and closing."""
    by_phase: dict[str, list[tuple[datetime | None, datetime | None]]] = {}
    for phase, opens, closes in times:
        by_phase.setdefault(phase, []).append((opens, closes))
    titles = {"": "", **{phase.name: phase.title or phase.name for phase in phases}}
    return tuple(
        Window(
            phase=phase,
            title=title,
            opens=_first([opens for opens, _ in by_phase[phase]]),
            closes=_last([closes for _, closes in by_phase[phase]]),
        )
        for phase, title in titles.items()
        if phase in by_phase
    )


def _first(opens: Sequence[datetime | None]) -> datetime | None:
    """None: one of them has always been open."""
    known = [moment for moment in opens if moment is not None]
    return min(known) if len(known) == len(opens) else None


def _last(closes: Sequence[datetime | None]) -> datetime | None:
    """None: one of them stays open."""
    known = [moment for moment in closes if moment is not None]
    return max(known) if len(known) == len(closes) else None


class Moment(StrEnum):
    """What there is to say of a phase as time passes."""

    OPENS = "opens"
    DAY_LEFT = "day_left"
    HOUR_LEFT = "hour_left"
    CLOSES = "closes"


def moments(window: Window, at: datetime) -> tuple[tuple[Moment, datetime], ...]:
    """What is to be said now, each with the opening or closing it is about. Old news is none."""
    found = []
    opens, closes = window.opens, window.closes
    if opens is not None and opens <= at < opens + TOLD_LATE and (closes is None or at < closes):
        found.append((Moment.OPENS, opens))
    if closes is None:
        return tuple(found)
    if closes <= at < closes + TOLD_LATE:
        found.append((Moment.CLOSES, closes))
    for moment, before, until in (
        (Moment.DAY_LEFT, DAY, LAST_HOUR),
        (Moment.HOUR_LEFT, LAST_HOUR, timedelta(0)),
    ):
        # Who opens for less than a day need not be told that a day is left.
        whole = opens is None or opens <= closes - before
        if whole and closes - before <= at < closes - until:
            found.append((moment, closes))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class EventTimes:
    begins: datetime
    ends: datetime


def event_times(window: Window, at: datetime) -> EventTimes | None:
    """Of the event for a phase; None for one without an end, or that has ended."""
    if window.closes is None or window.closes <= at + 2 * EVENT_LEAD:
        return None
    begins = max(window.opens or at, at + EVENT_LEAD)
    return EventTimes(begins=begins, ends=window.closes)


# --- the plan --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A thing as it should be: ``shown`` is a digest of all that its readers see of it, but for standings."""

    key: str
    shown: str


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A thing as far as we know it."""

    key: str
    place_id: int | None = None  # None: not there
    channel_id: int | None = None  # where its message is
    message_id: int | None = None
    shown: str = ""
    revision: str = ""
    words: str = ""
    next_at: datetime
    ends_at: datetime | None = None
    lost: int = 0
    failures: int = 0  # to edit it as a card, since that last worked

    def there(self, at: datetime) -> bool:
        """Whether it exists; an event that has ended does not."""
        return self.place_id is not None and (self.ends_at is None or at < self.ends_at)

    @property
    def left(self) -> bool:
        """Somebody does not want it."""
        return self.lost >= MOST_LOST


class Act(StrEnum):
    MAKE = "make"
    CHANGE = "change"
    DROP = "drop"


@dataclass(frozen=True)
class Step:
    act: Act
    key: str


def plan(wanted: Sequence[Wanted], known: Mapping[str, Thing], at: datetime) -> tuple[Step, ...]:
    """What is to be done, in this order. Everything stands in the forum, so until that is there nothing else
    is begun, and nothing at all once somebody does not want it. ``wanted`` without the forum: events only go."""
    forum = known.get(FORUM)
    steps = []
    for item in wanted:
        thing = known.get(item.key)
        if thing is not None and thing.left:
            continue
        if thing is None or not thing.there(at):
            steps.append(Step(Act.MAKE, item.key))
        elif thing.shown != item.shown:
            steps.append(Step(Act.CHANGE, item.key))
    if forum is None or not forum.there(at):
        steps = [step for step in steps if step.key == FORUM]
    keys = {item.key for item in wanted}
    steps += [
        Step(Act.DROP, thing.key)
        for thing in known.values()
        if thing.key.startswith(EVENT) and thing.there(at) and thing.key not in keys
    ]
    return tuple(steps)


# --- the cards -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Card:
    """The live card of a leaderboard in a server."""

    guild_id: int
    competition_id: int
    key: str
    message_id: int
    channel_id: int  # where its message is
    shown: str  # digest of the standings and all else on it
    wanted: str  # the same of what should be on it
    post: str  # digest of all else in its post
    next_at: datetime
    failures: int = 0


def due_cards(cards: Sequence[Card], at: datetime) -> tuple[Card, ...]:
    """Those to be edited in this look: what changed, the longest waiting first, and of a channel one after
    the other."""
    found: list[Card] = []
    # When a card was edited last is in when it may be again, unless that is how long it is left alone.
    free = {card.channel_id: True for card in cards}
    for card in cards:
        recently = card.next_at - CARD_EVERY + CHANNEL_EVERY > at
        free[card.channel_id] &= bool(card.failures) or not recently
    for card in sorted(cards, key=lambda item: item.next_at):
        if free[card.channel_id] and card.next_at <= at and card.wanted != card.shown:
            free[card.channel_id] = False
            found.append(card)
    return tuple(found)
