"""A competition: which problems, on which GPUs, when, for whom, and what it takes to win."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.judge.protocol import to_json


class Visibility(StrEnum):
    """Who sees that a competition exists. Whoever does not is told that there is none."""

    PUBLIC = "public"
    INVITE = "invite"  # who has joined with a code
    PRIVATE = "private"  # its organizers


def is_visible(
    visibility: str, public_from: datetime | None, at: datetime, *, joined: bool, organizer: bool
) -> bool:
    """Whether this person sees a competition; organizers see all of them."""
    if organizer or visibility == Visibility.PUBLIC:
        return True
    if public_from is not None and public_from <= at:
        return True
    return joined and visibility == Visibility.INVITE


CHANNEL_ID = re.compile(r"[0-9]{15,20}")


def own_channel(named: str | None) -> int | None:
    """The channel that a competition has for itself: named by its id, it is in one server. A name is in any
    server where somebody gives it to a channel."""
    return int(named) if named and CHANNEL_ID.fullmatch(named) else None


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """While it lasts nobody sees what others have reached since it began; then all is shown."""

    begins: datetime
    ends: datetime

    def holds(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


def freeze_at(begins: datetime | None, ends: datetime | None, at: datetime) -> Freeze | None:
    """The freeze between the two, if it holds at this moment."""
    if begins is None or ends is None:
        return None
    freeze = Freeze(begins=begins, ends=ends)
    return freeze if freeze.holds(at) else None


@dataclass(frozen=True, kw_only=True)
class LeaderboardSpec:
    """One problem in one competition, with what it inherited from the competition filled in."""

    name: str
    problem: str
    gpus: tuple[str, ...]
    opens: datetime | None = None  # None: has always been open
    closes: datetime | None = None  # None: stays open
    freeze: Freeze | None = None
    code_opens: datetime | None = None  # when everybody may read what was handed in; None: never
    phase: str = ""
    points: float = 0.0  # what the problem is worth where points are summed
    weight: float = 1.0  # what it counts for in weighted sums and means
    baseline: Mapping[str, float] = field(default_factory=dict)  # seconds by GPU


@dataclass(frozen=True, kw_only=True)
class Registration:
    """When and for whom one can register. Kept and shown; who registers is seen to by people."""

    opens: datetime | None = None
    closes: datetime | None = None
    eligibility: str = ""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a competition with problems, times and GPUs of its own."""

    name: str
    title: str = ""
    advance: int | None = None  # how many of its standings go on to the next; None: everybody


@dataclass(frozen=True, kw_only=True)
class Prize:
    """What is given for a place, on one leaderboard or over the whole competition."""

    prize: str
    place: int = 1
    leaderboard: str = ""  # "": in the standings of the competition
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Competition:
    """What an organizer wrote. Hourly limits are per person and leaderboard, GPU-seconds per person and
    GPU; None or nothing: no limit."""

    name: str
    title: str
    licence: str  # of the submissions
    leaderboards: tuple[LeaderboardSpec, ...]
    host: str = ""
    rules: str = ""  # Markdown
    visibility: Visibility = Visibility.PUBLIC
    public_from: datetime | None = None  # from then on everybody sees it, whatever its visibility
    opens: datetime | None = None
    closes: datetime | None = None
    gpus: tuple[str, ...] = ()
    ranked_per_hour: int | None = None
    other_per_hour: int | None = None
    gpu_seconds_per_day: Mapping[str, float] = field(
        default_factory=dict
    )  # by GPU; "*": each other
    queue_weight: float = 1.0  # of what people have in the queue, beside other competitions
    channel: str | None = None  # Discord channel: its name or its id
    registration: Registration | None = None
    team_size: int = 1  # people at most
    phases: tuple[Phase, ...] = ()
    scoring: CompetitionScoring | None = None  # None: there are no standings across problems
    prizes: tuple[Prize, ...] = ()
    verification: tuple[str, ...] = ()  # what winners go through before a prize is theirs

    def to_document(self) -> dict[str, Any]:
        """A JSON-able form; ``from_document`` reads it back."""
        document: dict[str, Any] = _plain(to_json(self))
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Competition:
        """The value ``to_document`` was called on; what an older version stored lacks what it did not
        know. Raises KeyError, TypeError or ValueError if it is neither."""
        values = {**document, **_moments(document, "opens", "closes", "public_from")}
        values["visibility"] = Visibility(values["visibility"])
        values["gpus"] = tuple(values["gpus"])
        values["leaderboards"] = tuple(_leaderboard(item) for item in values["leaderboards"])
        if (registration := values.get("registration")) is not None:
            moments = _moments(registration, "opens", "closes")
            values["registration"] = Registration(**{**registration, **moments})
        values["phases"] = tuple(Phase(**item) for item in values.get("phases", ()))
        if (scoring := values.get("scoring")) is not None:
            values["scoring"] = CompetitionScoring.from_document(scoring)
        values["prizes"] = tuple(Prize(**item) for item in values.get("prizes", ()))
        values["verification"] = tuple(values.get("verification", ()))
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _moments(document: Mapping[str, Any], *keys: str) -> dict[str, datetime | None]:
    return {
        key: datetime.fromisoformat(stamp) if (stamp := document.get(key)) else None for key in keys
    }


def _leaderboard(document: Mapping[str, Any]) -> LeaderboardSpec:
    values = {**document, **_moments(document, "opens", "closes", "code_opens")}
    values["gpus"] = tuple(values["gpus"])
    if (freeze := values.get("freeze")) is not None:
        values["freeze"] = Freeze(
            **{item.name: datetime.fromisoformat(freeze[item.name]) for item in fields(Freeze)}
        )
    return LeaderboardSpec(**values)
