"""How long runs take, and how long one waits: measured run times, and what is said about them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

UNKNOWN_MEAN_S = 20.0
UNKNOWN_DEVIATION_S = 15.0
"""For a leaderboard nobody has run yet: a guess that says so by its width."""

MEMORY = 50
"""Runs after about which older ones fade."""

Z = 1.645  # a 90 % range


@dataclass(frozen=True, kw_only=True)
class Duration:
    """Measured wall seconds of a kind of run: mean and standard deviation, over ``count`` runs."""

    mean_s: float = UNKNOWN_MEAN_S
    deviation_s: float = UNKNOWN_DEVIATION_S
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Seconds from now, as 90 % ranges; None when no worker for this GPU is alive or all is held."""

    position: int  # 1 is next
    ahead: int
    start_low_s: float | None
    start_high_s: float | None
    finish_low_s: float | None
    finish_high_s: float | None
    held: str = ""  # why nothing begins on this GPU until organizers let it


def later(wait: Wait, seconds: float) -> Wait:
    """The same of a run that may not start for so long: it pauses after a failure of ours."""
    if seconds <= 0:
        return wait
    return replace(
        wait,
        start_low_s=_plus(wait.start_low_s, seconds),
        start_high_s=_plus(wait.start_high_s, seconds),
        finish_low_s=_plus(wait.finish_low_s, seconds),
        finish_high_s=_plus(wait.finish_high_s, seconds),
    )


def _plus(at: float | None, seconds: float) -> float | None:
    return None if at is None else at + seconds


def updated(duration: Duration, seconds: float, memory: int = MEMORY) -> Duration:
    """The duration after one more run took ``seconds``; older runs fade after about ``memory``."""
    if duration.count == 0:
        return Duration(mean_s=seconds, deviation_s=seconds / 2, count=1)
    weight = 1 / min(duration.count + 1, memory)
    mean = duration.mean_s + weight * (seconds - duration.mean_s)
    variance = (1 - weight) * (duration.deviation_s**2 + weight * (seconds - duration.mean_s) ** 2)
    return Duration(mean_s=mean, deviation_s=math.sqrt(variance), count=duration.count + 1)
