"""Canaries: a small kernel of ours that every device runs now and then, and what its times say of the device.

A band is the median of a device's last good canaries and their spread, as the median absolute deviation: one bad
time in it moves neither. Times on both sides of it count: a device that is faster than it was is another device
than the one that others were ranked on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

LEAST = 4
"""Good canaries until there is a band. Before that whatever passes is good."""
LOOKED_AT = 20
"""Good canaries that make a band."""
STRIKES = 2
"""Canaries in a row outside the band until a device is taken out: one may have had bad luck."""
GOOD_AGAIN = 3
"""Canaries in a row inside it until a device is let in again."""
SPREADS = 6.0
"""So many standard deviations, as the spread shows them, are inside."""
PER_DEVIATION = 1.4826
"""Standard deviations in a median absolute deviation of normal errors."""
MOVED = 8
"""Canaries in a row outside the band of a place where each has another machine, alike, until that is what the place
is now: a band that nothing is inside of any more would have everything judged in vain."""
SICK_EVERY_S = 300.0
"""Between canaries of a device that is out, if not more often anyhow."""
GIVE_UP = 0.34
"""Share of a device's last runs that ended by our fault from which on it is out."""
LEAST_FAULTS = 5
"""So many of them at least."""
LEAST_PEOPLE = 3
"""Of the runs of so many people at least: what fails of one person's may be that person's doing."""
OUTCOMES = 20
"""Runs that the share is of."""

FAULT, FINE = "x", "."
"""What a run leaves behind in a device's outcomes."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far from the median is inside whatever the spread; relative."""

    time: float
    clock: float


GPU = Tolerance(time=0.05, clock=0.05)
PROCESSOR = Tolerance(time=9.0, clock=9.0)
"""A processor has neighbours and no clock that we read: only ten times as slow or as fast says something."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What one showed."""

    seconds: Mapping[str, float] = field(default_factory=dict)  # by part
    errors: Mapping[str, float] = field(default_factory=dict)  # relative standard errors
    sm_mhz: float = 0.0  # 0: unknown
    failed: str = ""  # why there are no times
    wrong: bool = False  # it computed something else


@dataclass(frozen=True, kw_only=True)
class Band:
    """What is inside, for one part of a canary."""

    median: float
    low: float
    high: float


class Fate(StrEnum):
    """What becomes of a device after a canary."""

    STAYS = "stays"
    OUT = "out"
    BACK = "back"


def bands(good: Sequence[Canary], tolerance: Tolerance) -> dict[str, Band]:
    """By part, and ``clock`` in MHz; empty until there are enough good ones. The newest come first."""
    last = good[:LOOKED_AT]
    if len(last) < LEAST:
        return {}
    found = {}
    for part in sorted({part for canary in last for part in canary.seconds}):
        times = [canary.seconds[part] for canary in last if canary.seconds.get(part, 0) > 0]
        if len(times) >= LEAST:
            own = statistics.median(canary.errors.get(part, 0.0) for canary in last)
            found[part] = _band(times, tolerance.time, own)
    clocks = [canary.sm_mhz for canary in last if canary.sm_mhz > 0]
    if len(clocks) >= LEAST:
        found["clock"] = _band(clocks, tolerance.clock, 0.0)
    return found


def _band(values: Sequence[float], tolerance: float, own: float) -> Band:
    logs = [math.log(value) for value in values]
    middle = statistics.median(logs)
    spread = PER_DEVIATION * statistics.median(abs(value - middle) for value in logs)
    width = max(SPREADS * math.hypot(spread, own), math.log1p(tolerance))
    return Band(
        median=math.exp(middle), low=math.exp(middle - width), high=math.exp(middle + width)
    )


def outside(canary: Canary, known: Mapping[str, Band]) -> str:
    """Why this one is not good; empty: it is."""
    if canary.failed:
        return canary.failed
    reasons = []
    for part, band in known.items():
        value = canary.sm_mhz if part == "clock" else canary.seconds.get(part, 0.0)
        if value > 0 and not band.low <= value <= band.high:
            reasons.append(_words(part, value, band))
    return "; ".join(reasons)


def moved(last: Sequence[Canary], tolerance: Tolerance) -> bool:
    """Whether these, all outside the band, are alike: then the place has changed and none of its machines is sick."""
    if len(last) < MOVED or any(canary.failed or not canary.seconds for canary in last):
        return False
    parts = {part for canary in last for part in canary.seconds}
    series = [[canary.seconds.get(part, math.inf) for canary in last] for part in sorted(parts)]
    series.append([canary.sm_mhz for canary in last if canary.sm_mhz > 0] or [1.0])
    widths = [tolerance.time] * len(parts) + [tolerance.clock]
    return all(
        max(values) <= min(values) * (1 + width) ** 2
        for values, width in zip(series, widths, strict=True)
    )


def _words(part: str, value: float, band: Band) -> str:
    change = value / band.median - 1
    if part == "clock":
        return (
            f"its clock is {value:.0f} MHz, {change:+.1%} from the {band.median:.0f} MHz of before"
        )
    return (
        f"its {part} takes {value * 1e6:.1f} µs, {change:+.1%} from the {band.median * 1e6:.1f} µs of before "
        f"(inside: {band.low * 1e6:.1f} to {band.high * 1e6:.1f})"
    )


def fate(goods: Sequence[bool], *, out: bool, wrong: bool = False) -> Fate:
    """What becomes of a device with these canaries, the newest first; ``wrong``: the newest computed something
    else, which nobody needs to see twice."""
    if out:
        enough = len(goods) >= GOOD_AGAIN and all(goods[:GOOD_AGAIN])
        return Fate.BACK if enough else Fate.STAYS
    bad = len(goods) >= STRIKES and not any(goods[:STRIKES])
    return Fate.OUT if bad or (wrong and not goods[0]) else Fate.STAYS


def failing(outcomes: str, people: int) -> str:
    """Why a device whose runs ended like this is out; empty: it is not. ``people``: whose runs failed."""
    faults = outcomes.count(FAULT)
    if faults < LEAST_FAULTS or faults < GIVE_UP * len(outcomes) or people < LEAST_PEOPLE:
        return ""
    return f"{faults} of its last {len(outcomes)} runs ended by our fault"


@dataclass(frozen=True, kw_only=True)
class Past:
    """What a device has been through. Seconds; None: never."""

    canary_s: float | None  # since its last canary was begun
    busy_s: float | None  # since it last ended a run or a canary
    good: bool | None  # how the last canary was
    out: bool
    ranked_waits: bool  # a ranked run that it could have


def is_due(past: Past, *, every_s: float, idle_s: float) -> bool:
    """Whether a canary comes before anything else: on its schedule, before ranked work after idle time, and at
    once after one that was not good. ``every_s`` 0: never."""
    if not every_s:
        return False
    if past.canary_s is None:
        return True
    if past.out:
        return past.canary_s >= min(every_s, SICK_EVERY_S)
    if past.good is False or past.canary_s >= every_s:
        return True
    return past.ranked_waits and (past.busy_s is None or past.busy_s >= idle_s)
