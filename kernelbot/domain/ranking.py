"""The one ranking rule: API, Discord, web, CLI and export read what this module says.

Entries whose difference is below their joint error share a rank, the earlier one first. A tie group
is opened by the best entry not yet placed and takes in those behind it that are tied with that
leader (not with each other in a chain), so a long run of near neighbours does not become one rank.
It ends at the first who is not: a noisier time further back does not jump over a surer, better one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kernelbot.domain.scoring import Score, pool

TIE_Z = 1.96
"""Two-sided 95 %: closer than this many joint standard errors is not a difference."""

PODIUM = 3


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One person's best code on one leaderboard and GPU."""

    user_id: int
    user_name: str
    submission_id: int
    run_id: int
    seconds: float
    error: float  # relative standard error
    runs: int
    submitted_at: datetime
    unconfirmed: bool = (
        False  # nobody vouches for the machine, and no trusted one has said the same
    )
    device_timed: bool = False  # a GPU's time that the judge's own clock has not seen


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What times on an earlier version of a problem compare with."""

    best: float  # seconds of the fastest there
    light: float | None  # seconds of who is as fast as can be


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An entry with its place. ``rank`` is shared within a tie; ``position`` counts rows from 1.

    One with ``earlier`` has its rank and time on that version of the problem, until it is measured again;
    it comes behind all that have theirs on the version that is posed.
    """

    rank: int
    position: int
    tied: bool
    entry: Entry
    earlier: Earlier | None = None


@dataclass(frozen=True, kw_only=True)
class PodiumChange:
    """Somebody new at a place on the podium, or a better time at the same place."""

    standing: Standing
    previous_rank: int | None  # of the same person; None: was not ranked
    previous_seconds: float | None
    displaced: Entry | None  # who held the first row of that place before


def tied(leader: Entry, other: Entry) -> bool:
    """Whether the two times cannot be told apart at 95 %."""
    joint = math.hypot(leader.error, other.error)
    return abs(math.log(other.seconds / leader.seconds)) < TIE_Z * joint


def rank(entries: Sequence[Entry]) -> list[Standing]:
    """Place all entries. Order: rank, then who submitted first."""
    waiting = sorted(entries, key=lambda entry: (entry.seconds, entry.submitted_at, entry.run_id))
    placed: list[Standing] = []
    start = 0
    while start < len(waiting):
        leader = waiting[start]
        end = start + 1
        while end < len(waiting) and tied(leader, waiting[end]):
            end += 1
        group = sorted(waiting[start:end], key=lambda entry: (entry.submitted_at, entry.run_id))
        for offset, entry in enumerate(group):
            placed.append(
                Standing(
                    rank=start + 1, position=start + offset + 1, tied=len(group) > 1, entry=entry
                )
            )
        start = end
    return placed


def arranged(placed: Sequence[Standing], earlier: Sequence[Standing]) -> tuple[Standing, ...]:
    """A board: who is placed on the version that is posed, then who keeps an earlier place meanwhile."""
    there = {item.entry.user_id for item in placed}
    kept = sorted(
        (item for item in earlier if item.entry.user_id not in there),
        key=lambda item: (item.rank, item.position, item.entry.run_id),
    )
    behind = (replace(item, position=len(placed) + nth) for nth, item in enumerate(kept, 1))
    return (*placed, *behind)


def pooled(runs: Iterable[tuple[bytes, Entry]]) -> list[Entry]:
    """Everybody's best code, from its single runs: each with the digest of its code, as an entry of its
    own that names the first run of that code. One that stands alone may be of several runs already."""
    by_code: dict[tuple[int, bytes], list[Entry]] = {}
    for code, entry in runs:
        by_code.setdefault((entry.user_id, code), []).append(entry)
    best: dict[int, Entry] = {}
    for single in by_code.values():
        made = single[0] if len(single) == 1 else _pooled(single)
        other = best.setdefault(made.user_id, made)
        if (made.seconds, made.submitted_at) < (other.seconds, other.submitted_at):
            best[made.user_id] = made
    return list(best.values())


def _pooled(runs: Sequence[Entry]) -> Entry:
    score = pool([Score(seconds=item.seconds, error=item.error) for item in runs])
    return replace(runs[0], seconds=score.seconds, error=score.error, runs=score.runs)


def podium_change(
    before: Sequence[Standing], after: Sequence[Standing], user_id: int
) -> PodiumChange | None:
    """What to announce after this person's standing changed, or None.

    Announced: a place among the first three that the person did not hold, or a time on a place they
    hold that is faster beyond doubt. Not announced: what repeats of the same code add or take away
    in the noise, a slower time, or somebody pushed up by another's fall.
    """
    now = _standing_of(after, user_id)
    if now is None or now.rank > PODIUM or now.position > PODIUM:
        return None
    old = _standing_of(before, user_id)
    climbed = old is None or now.rank < old.rank or old.position > PODIUM
    faster = (
        old is not None and now.entry.seconds < old.entry.seconds and not tied(old.entry, now.entry)
    )
    if not (climbed or faster):
        return None
    holder = next((item.entry for item in before if item.position == now.position), None)
    return PodiumChange(
        standing=now,
        previous_rank=old.rank if old else None,
        previous_seconds=old.entry.seconds if old else None,
        displaced=holder if holder is not None and holder.user_id != user_id else None,
    )


def _standing_of(standings: Sequence[Standing], user_id: int) -> Standing | None:
    return next((item for item in standings if item.entry.user_id == user_id), None)
