"""Standings across problems: from the standings of each to one number a person, and places by it.

What somebody reached on a problem becomes a *share*: by place, or how close their time is to the
speed of light, to the best or to a baseline. Shares make up the score, higher is better: points or
weights times shares, summed, or the geometric mean of shares. A problem that is ranked on several
GPUs counts once, by the mean of its shares.

The error of times goes on into shares and scores (places have none), so that scores which cannot be
told apart share a place here as times do on a leaderboard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from kernelbot.domain.ranking import TIE_Z, Earlier, Standing

DEFAULT_PLACES = 10
ROUNDING = 1e-9
"""Relative; sums of the same shares in another order differ by less."""


_Weighted = tuple[float, float, float]
"""Weight, value, absolute error of the value."""


class Rule(StrEnum):
    """How shares become a score."""

    POINTS = "points"
    WEIGHTED_SUM = "weighted_sum"
    GEOMETRIC_MEAN = "geometric_mean"


class Share(StrEnum):
    """What a share is of."""

    PLACE = "place"
    SPEED_OF_LIGHT = "speed_of_light"
    BEST = "best"
    BASELINE = "baseline"


class Missing(StrEnum):
    """What somebody has on a problem without a result."""

    ZERO = "zero"
    BASELINE = "baseline"


class Ties(StrEnum):
    """What becomes of scores that cannot be told apart, or of equal ones."""

    SHARE = "share"  # closer than their joint error: the same place, and the next ones are skipped
    EARLIER = "earlier"  # equal: who got there first is before the others; noise is not looked at


def falling(places: int) -> tuple[float, ...]:
    """Shares that fall evenly: the first place has all, the one after the last nothing."""
    return tuple((places - place) / places for place in range(places))


@dataclass(frozen=True, kw_only=True)
class CompetitionScoring:
    rule: Rule = Rule.POINTS
    share: Share = Share.PLACE
    places: tuple[float, ...] = falling(DEFAULT_PLACES)  # of each place, from the first
    count: int | None = None  # how many of a person's problems count, the best ones; None: all
    missing: Missing = Missing.ZERO
    ties: Ties = Ties.SHARE

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> CompetitionScoring:
        return cls(
            rule=Rule(document["rule"]),
            share=Share(document["share"]),
            places=tuple(document["places"]),
            count=document["count"],
            missing=Missing(document["missing"]),
            ties=Ties(document["ties"]),
        )


@dataclass(frozen=True, kw_only=True)
class Event:
    """One problem on one GPU, ranked."""

    leaderboard: str
    gpu: str
    standings: Sequence[Standing]
    worth: float = 1.0  # of the problem: its points, or its weight
    light: float | None = None  # seconds of who is as fast as can be
    baseline: float | None = None  # seconds

    @property
    def key(self) -> tuple[str, str, float]:
        """Which column of the standings this is, and what it counts for."""
        return self.leaderboard, self.gpu, self.worth

    @cached_property
    def best(self) -> float | None:
        """The seconds of the fastest on the version of the problem that is posed."""
        return min(
            (item.entry.seconds for item in self.standings if item.earlier is None), default=None
        )

    def counts(self, scoring: CompetitionScoring) -> bool:
        """Without a bound nobody has a share of the speed of light, so nobody misses it either."""
        return scoring.share is not Share.SPEED_OF_LIGHT or self.light is not None


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one person has in one event."""

    share: float
    error: float = 0.0  # of the share, relative
    standing: Standing | None = None  # None: the baseline stands in, or nothing does


NOTHING = Part(share=0.0)


@dataclass(frozen=True, kw_only=True)
class Total:
    """One person's score with the place it has. ``parts`` are in the order of the events."""

    user_id: int
    user_name: str
    score: float
    error: float  # absolute
    reached_at: datetime
    parts: tuple[Part, ...]
    rank: int = 0
    position: int = 0
    tied: bool = False


def totals(events: Sequence[Event], scoring: CompetitionScoring) -> list[Total]:
    """Everybody who is on one of the leaderboards, in order of their places."""
    return Tally(scoring).totals(events)


class Tally:
    """``totals`` of leaderboards that change one after the other: what has not changed is not made again.

    For one thread at a time.
    """

    def __init__(self, scoring: CompetitionScoring) -> None:
        self._scoring = scoring
        self._columns: list[_Column] = []
        self._totals: dict[int, Total] = {}  # without places, by person

    def totals(self, events: Sequence[Event]) -> list[Total]:
        """Everybody who is on one of the leaderboards, in order of their places."""
        counted = _counted(events, self._scoring)
        if [column.event.key for column in self._columns] != [event.key for event in counted]:
            self._begin(counted)
        else:
            self._go_on(counted)
        return place(list(self._totals.values()), self._scoring.ties)

    def _begin(self, counted: Sequence[Event]) -> None:
        self._columns = [_Column.of(event, self._scoring) for event in counted]
        self._make_all()

    def _go_on(self, counted: Sequence[Event]) -> None:
        changed = [at for at, event in enumerate(counted) if self._columns[at].event != event]
        seen: set[int] = set()
        moved: set[int] = set()
        anew = False
        for at in changed:
            before, event = self._columns[at], counted[at]
            now = self._columns[at] = _Column.of(event, self._scoring)
            anew = anew or before.stand_in != now.stand_in
            there = before.standings.keys() | now.standings.keys()
            seen |= there
            moved.update(person for person in there if before.worth(person) != now.worth(person))
        if anew:
            self._make_all()
            return
        for person in seen - moved:  # a rank or a time that changes no score is shown all the same
            parts = list(self._totals[person].parts)
            for at in changed:
                parts[at] = self._columns[at].part(person)
            self._totals[person] = replace(self._totals[person], parts=tuple(parts))
        self._make(moved)

    def _make_all(self) -> None:
        self._totals = {}
        self._make(dict.fromkeys(person for column in self._columns for person in column.standings))

    def _make(self, people: Iterable[int]) -> None:
        problems = _problems(self._columns)
        for person in people:
            made = _total(person, self._columns, problems, self._scoring)
            if made is not None:
                self._totals[person] = made
            else:
                self._totals.pop(person, None)


def with_own(
    others: Sequence[Total], own: Sequence[Event], user_id: int, scoring: CompetitionScoring
) -> list[Total]:
    """Totals as others see them, in which one person has what ``own`` says; the scores of the others
    stay, and places are given anew."""
    columns = [_Column.of(event, scoring, user_id) for event in _counted(own, scoring)]
    mine = _total(user_id, columns, _problems(columns), scoring)
    rest = [item for item in others if item.user_id != user_id]
    return place(rest if mine is None else [*rest, mine], scoring.ties)


def _counted(events: Sequence[Event], scoring: CompetitionScoring) -> list[Event]:
    return [event for event in events if event.counts(scoring)]


@dataclass(frozen=True)
class _Column:
    """What everybody has in one event."""

    event: Event
    standings: Mapping[int, Standing]  # by person
    parts: Mapping[int, Part]  # of those who stand there
    stand_in: Part  # of those who do not

    @classmethod
    def of(cls, event: Event, scoring: CompetitionScoring, only: int | None = None) -> _Column:
        """Of everybody, or of one person."""
        stand_in = _stand_in(event, scoring)
        standings = {
            person: item
            for item in event.standings
            if (person := item.entry.user_id) == only or only is None
        }
        parts = {}
        for person, standing in standings.items():
            part = _part(event, standing, scoring)
            # Who hands something in never has less than who does not.
            parts[person] = part if part.share >= stand_in.share else stand_in
        return cls(event, standings, parts, stand_in)

    def part(self, person: int) -> Part:
        return self.parts.get(person, self.stand_in)

    def worth(self, person: int) -> object:
        """All that a person's score and its time are made of here."""
        part, standing = self.part(person), self.standings.get(person)
        entry = standing and standing.entry
        return part.share, part.error, entry and (entry.submitted_at, entry.user_name)


def _problems(columns: Sequence[_Column]) -> list[tuple[float, list[int]]]:
    """The worth of each problem, if it has any, with the numbers of its columns, one a GPU."""
    worth = {column.event.leaderboard: column.event.worth for column in columns}
    found: dict[str, list[int]] = {}
    for at, column in enumerate(columns):
        found.setdefault(column.event.leaderboard, []).append(at)
    return [(worth[name], numbers) for name, numbers in found.items() if worth[name] > 0]


def _part(event: Event, standing: Standing, scoring: CompetitionScoring) -> Part:
    if scoring.share is Share.PLACE:
        return Part(share=_of_place(standing.rank, scoring), standing=standing)
    # Who waits to be measured again on another version keeps the share they had.
    held = standing.earlier or event
    share = _of_time(event.baseline, held, standing.entry.seconds, scoring.share)
    return Part(share=share, error=standing.entry.error, standing=standing)


def _stand_in(event: Event, scoring: CompetitionScoring) -> Part:
    """What everybody has who has nothing better."""
    if scoring.missing is Missing.ZERO or event.baseline is None:
        return NOTHING
    if scoring.share is not Share.PLACE:
        return Part(share=_of_time(event.baseline, event, event.baseline, scoring.share))
    ahead = sum(
        item.entry.seconds < event.baseline for item in event.standings if item.earlier is None
    )
    return Part(share=_of_place(1 + ahead, scoring))


def _of_place(rank: int, scoring: CompetitionScoring) -> float:
    return scoring.places[rank - 1] if rank <= len(scoring.places) else 0.0


def _of_time(baseline: float | None, held: Event | Earlier, seconds: float, share: Share) -> float:
    if share is Share.BASELINE:
        return (baseline or 0.0) / seconds
    if share is Share.SPEED_OF_LIGHT:
        return min(1.0, (held.light or 0.0) / seconds)
    return min(1.0, (held.best or seconds) / seconds)


def _total(
    person: int,
    columns: Sequence[_Column],
    problems: Sequence[tuple[float, Sequence[int]]],
    scoring: CompetitionScoring,
) -> Total | None:
    """One person's score, without its place; None for who stands nowhere."""
    own = [column.standings[person].entry for column in columns if person in column.standings]
    if not own:
        return None
    parts = [column.part(person) for column in columns]
    geometric = scoring.rule is Rule.GEOMETRIC_MEAN
    combined = _geometric if geometric else _sum
    first = min(item.submitted_at for item in own)
    made = []
    for worth, numbers in problems:
        found = [parts[at] for at in numbers]
        if geometric or any(part.share for part in found):  # nothing adds nothing to a sum
            value, error = _mean(found, combined)
            made.append(_Problem(worth, value, error, _reached_at(found, first)))
    chosen: Sequence[_Problem] = made
    if scoring.count is not None:
        chosen = (_best_of_mean if geometric else _best_of_sum)(made, scoring.count)
    score, error = combined([item[:3] for item in chosen])
    return Total(
        user_id=person,
        user_name=own[0].user_name,
        score=score,
        error=error,
        reached_at=max((item.reached_at for item in chosen), default=first) if score > 0 else first,
        parts=tuple(parts),
    )


class _Problem(NamedTuple):
    """What one person has on one problem."""

    worth: float
    value: float
    error: float  # absolute
    reached_at: datetime


def _reached_at(parts: Iterable[Part], first: datetime) -> datetime:
    """What adds nothing to a score was no reason to have it later."""
    worth = [part.standing.entry.submitted_at for part in parts if part.standing and part.share > 0]
    return max(worth, default=first)


def _best_of_sum(problems: Sequence[_Problem], count: int) -> Sequence[_Problem]:
    return _first(count, problems, [item.worth * item.value for item in problems])


def _best_of_mean(problems: Sequence[_Problem], count: int) -> Sequence[_Problem]:
    """Those whose weighted geometric mean is the greatest, which with several weights need not be those
    with the greatest shares: from these on, whoever pulls the mean up the most, until it rises no more.
    """
    chosen = _first(count, problems, [item.value for item in problems])
    mean, _ = _geometric([item[:3] for item in chosen])
    known = [item for item in problems if item.value > 0]
    while mean > 0:
        level = math.log(mean)
        pulls = [item.worth * (math.log(item.value) - level) for item in known]
        other = _first(count, known, pulls)
        higher, _ = _geometric([item[:3] for item in other])
        if higher <= mean * (1 + ROUNDING):
            break
        chosen, mean = other, higher
    return chosen


def _first(count: int, problems: Sequence[_Problem], values: Sequence[float]) -> Sequence[_Problem]:
    """Those with the greatest values; of equal ones those that were reached first."""
    order = sorted(range(len(values)), key=lambda at: (-values[at], problems[at].reached_at))
    return [problems[at] for at in order[:count]]


def _mean(
    parts: Sequence[Part], combined: Callable[[Sequence[_Weighted]], tuple[float, float]]
) -> tuple[float, float]:
    """Over the GPUs of a problem; most have one."""
    if len(parts) == 1:
        return _value(parts[0])
    return combined([(1 / len(parts), *_value(part)) for part in parts])


def _value(part: Part) -> tuple[float, float]:
    return part.share, part.share * part.error


def _sum(values: Sequence[_Weighted]) -> tuple[float, float]:
    """The weighted sum and its error."""
    score = math.fsum(weight * value for weight, value, _ in values)
    return score, math.sqrt(math.fsum((weight * error) ** 2 for weight, _, error in values))


def _geometric(values: Sequence[_Weighted]) -> tuple[float, float]:
    """The weighted geometric mean and its error. One zero makes all of it zero."""
    known = [item for item in values if item[0] > 0]
    if not known or any(value <= 0 for _, value, _ in known):
        return 0.0, 0.0
    weights = math.fsum(weight for weight, _, _ in known)
    score = math.exp(math.fsum(weight * math.log(value) for weight, value, _ in known) / weights)
    relative = math.sqrt(math.fsum((weight * error / value) ** 2 for weight, value, error in known))
    return score, score * relative / weights


# --- places --------------------------------------------------------------------------------------


def place(unplaced: Sequence[Total], ties: Ties) -> list[Total]:
    """With ranks, as ``ranking.rank`` gives them to times: a group is opened by the best who has no
    place yet and takes in those behind who are tied with that leader.

    More points never lower a place. To put the earlier of two noisy scores first would break that:
    a better but unsure score could draw its whole group into a tie, and come last in it.
    """
    noisy = ties is Ties.SHARE
    waiting = sorted(unplaced, key=lambda item: (-item.score, item.reached_at, item.user_id))
    placed: list[Total] = []
    while len(placed) < len(waiting):
        start = len(placed)
        end = start + 1
        while end < len(waiting) and _tied(waiting[start], waiting[end], noisy=noisy):
            end += 1
        group = sorted(waiting[start:end], key=lambda item: (item.reached_at, item.user_id))
        shared = noisy and len(group) > 1
        for offset, item in enumerate(group):
            position = start + offset + 1
            rank = start + 1 if shared else position
            placed.append(replace(item, rank=rank, position=position, tied=shared))
    return placed


def _tied(leader: Total, other: Total, *, noisy: bool) -> bool:
    """Whether the two scores are equal, or cannot be told apart at 95 % where they are noisy."""
    joint = TIE_Z * math.hypot(leader.error, other.error) if noisy else 0.0
    return leader.score - other.score <= joint + ROUNDING * abs(leader.score)
