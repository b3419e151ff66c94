"""Allowances in GPU-seconds: what is left of them, and when there is more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kernelbot.domain.lasting import span_words
from kernelbot.errors import RateLimited

WINDOW = timedelta(hours=24)
SOON_S = 60
EVERY_GPU = "*"
"""In a competition's limits: what is allowed on each GPU kind that is not named."""


@dataclass(frozen=True, kw_only=True)
class Balance:
    """GPU-seconds of one person in one competition on one GPU kind, within 24 hours."""

    gpu: str
    limit_s: float
    used_s: float
    reserved_s: float  # what waits or runs is expected to take
    more_at: datetime | None  # when something of it is free again; None while something is
    refills_at: datetime | None = None  # when the oldest of what was used is; None: nothing was

    @property
    def left_s(self) -> float:
        return max(0.0, self.limit_s - self.used_s - self.reserved_s)


def limit(limits: Mapping[str, float], gpu: str) -> float | None:
    """GPU-seconds a day on this GPU kind; None: no limit."""
    return limits.get(gpu, limits.get(EVERY_GPU))


def balance(
    gpu: str,
    limit_s: float,
    hours: Sequence[tuple[datetime, float]],
    reserved_s: float,
    now: datetime,
) -> Balance:
    """``hours``: what was charged in each, by its beginning. An hour leaves 24 hours after it began."""
    counted = sorted((began, seconds) for began, seconds in hours if began + WINDOW > now)
    used = math.fsum(seconds for _, seconds in counted)
    more_at = None
    left = used + reserved_s
    if left >= limit_s:
        # What is under way ends before long, and may take less than is kept for it.
        more_at = now + timedelta(seconds=max(SOON_S, reserved_s))
        for began, seconds in counted:
            left -= seconds
            if left < limit_s:
                more_at = began + WINDOW
                break
    return Balance(
        gpu=gpu,
        limit_s=limit_s,
        used_s=used,
        reserved_s=reserved_s,
        more_at=more_at,
        refills_at=counted[0][0] + WINDOW if counted else None,
    )


def demand(competition: str, balances: Sequence[Balance], now: datetime) -> None:
    """Raise RateLimited with what, why and when again where nothing is left. What is left may be small: the
    last run may take more."""
    for item in balances:
        if item.more_at is None:
            continue
        seconds = max(1, math.ceil((item.more_at - now).total_seconds()))
        under_way = f", and {item.reserved_s:,.0f} wait or run" if item.reserved_s else ""
        raise RateLimited(
            f"You have used {item.used_s:,.0f} of {item.limit_s:,.0f} GPU-seconds that {competition} "
            f"allows on {item.gpu} within 24 hours{under_way}. Try again in {span_words(seconds)} "
            f"({item.more_at:%Y-%m-%d %H:%M} UTC), or choose another GPU.",
            retry_after_s=seconds,
            code="over_gpu_seconds",
            gpu=item.gpu,
            limit_s=item.limit_s,
            used_s=round(item.used_s, 1),
            reserved_s=round(item.reserved_s, 1),
        )
