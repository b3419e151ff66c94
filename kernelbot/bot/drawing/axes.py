"""Where the ticks of an axis stand and what is written at them: numbers alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

LOG_FROM = 4.0
"""Times further apart than this factor are seen better on a logarithmic axis."""

UNITS = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
SPANS = (("minutes", 60.0, 2 * 3600.0), ("hours", 3600.0, 2 * 86400.0), ("days", 86400.0, math.inf))


@dataclass(frozen=True)
class Axis:
    """From values to a place between 0 and 1."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    unit: str = ""  # of all labels, where it does not stand in each

    def at(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
        return min(1.0, max(0.0, (value - low) / (high - low)))


def times(least: float, most: float) -> Axis:
    """For seconds between these two, with some room around them."""
    least = max(least, 1e-12)
    most = max(most, least)
    logarithmic = most / least > LOG_FROM
    if logarithmic:
        room = (most / least) ** 0.08
        low, high = least / room, most * room
        ticks = _log_ticks(low, high)
    else:
        room = max(0.12 * (most - least), 0.02 * most)
        low, high = max(0.0, least - room), most + room
        ticks = _even_ticks(low, high, 5)
    return Axis(low, high, logarithmic, tuple(ticks), tuple(map(_label, ticks)))


def _label(seconds: float) -> str:
    scale, unit = next((item for item in UNITS if seconds < 999.5 * item[0]), UNITS[-1])
    return f"{seconds / scale:.6g} {unit}"


def elapsed(seconds: float) -> Axis:
    """For a span of time from 0 on."""
    unit, scale, _ = next(item for item in SPANS if seconds <= item[2])
    span = max(seconds, scale)
    ticks = _even_ticks(0.0, span / scale, 6)
    return Axis(
        0.0, span, False, tuple(tick * scale for tick in ticks),
        tuple(f"{tick:.6g}" for tick in ticks), unit,
    )  # fmt: skip


def _even_ticks(low: float, high: float, about: int) -> list[float]:
    step = _round_step((high - low) / about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9)) * power


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if math.log10(high / low) > 4 else (1, 2, 5)
    marks = (factor * 10.0**decade for decade in decades for factor in factors)
    found = [mark for mark in marks if low <= mark <= high]
    return found[:: -(-len(found) // 8)] if found else [low, high]
