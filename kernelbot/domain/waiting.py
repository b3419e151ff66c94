"""How long until my run starts and ends: an honest range from measured run times."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

UNKNOWN_MEAN_S = 20.0
UNKNOWN_DEVIATION_S = 15.0
"""For a leaderboard nobody has run yet: a guess that says so by its width."""

Z = 1.645  # a 90 % range


@dataclass(frozen=True, kw_only=True)
class Duration:
    """Measured wall seconds of a kind of run: mean and standard deviation, over ``count`` runs."""

    mean_s: float = UNKNOWN_MEAN_S
    deviation_s: float = UNKNOWN_DEVIATION_S
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Seconds from now, as 90 % ranges; None when no worker for this GPU is alive."""

    position: int  # 1 is next
    ahead: int
    start_low_s: float | None
    start_high_s: float | None
    finish_low_s: float | None
    finish_high_s: float | None


def updated(duration: Duration, seconds: float, memory: int = 50) -> Duration:
    """The duration after one more run took ``seconds``; older runs fade after about ``memory``."""
    if duration.count == 0:
        return Duration(mean_s=seconds, deviation_s=seconds / 2, count=1)
    weight = 1 / min(duration.count + 1, memory)
    mean = duration.mean_s + weight * (seconds - duration.mean_s)
    variance = (1 - weight) * (duration.deviation_s**2 + weight * (seconds - duration.mean_s) ** 2)
    return Duration(mean_s=mean, deviation_s=math.sqrt(variance), count=duration.count + 1)


def wait(
    own: Duration, ahead: Iterable[Duration], running: Iterable[tuple[Duration, float]], slots: int
) -> Wait:
    """The wait of a run behind ``ahead`` queued ones.

    ``running`` are the runs in progress with the seconds each has taken so far; ``slots`` is how
    many run at once over all live workers of this GPU.
    """
    queued = list(ahead)
    if slots < 1:
        return Wait(
            position=len(queued) + 1, ahead=len(queued),
            start_low_s=None, start_high_s=None, finish_low_s=None, finish_high_s=None,
        )  # fmt: skip
    busy = list(running)
    remaining = [max(item.mean_s - so_far, 0.0) for item, so_far in busy]
    free = slots - len(busy)
    parts: list[tuple[float, float]] = []
    if free <= len(queued):
        parts = [(item.mean_s, item.deviation_s) for item in queued]
        parts += [(left, item.deviation_s) for left, (item, _) in zip(remaining, busy, strict=True)]
    start = math.fsum(mean for mean, _ in parts) / slots
    # No run takes less than nothing, so at the low end none can shorten the wait of those behind it.
    below = math.hypot(*(min(Z * deviation, mean) for mean, deviation in parts)) / slots
    above = Z * math.hypot(*(deviation for _, deviation in parts)) / slots
    low, high = max(0.0, start - below), start + above
    own_low = max(0.0, own.mean_s - Z * own.deviation_s)
    return Wait(
        position=len(queued) + 1,
        ahead=len(queued),
        start_low_s=low,
        start_high_s=high,
        finish_low_s=low + own_low,
        finish_high_s=high + own.mean_s + Z * own.deviation_s,
    )
